from __future__ import annotations

import pytest

from features.sources.robots import is_robot

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/122.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    "name",
    [
        "Mozilla/5.0",
        " Mozilla/5.0 ",
        "python-requests/2.32",
        "curl/8.5.0",
        "Barracuda Sentinel (EE)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"{CHROME} (compatible; BingPreview/1.0b)",
        "facebookexternalhit/1.1",
        "Mozilla/5.0 (X11; Linux x64) HeadlessChrome/122.0",
        "ProofPoint-URL-Defense",
    ],
)
def test_a_program_that_names_itself_is_a_robot(name: str) -> None:
    assert is_robot(name)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        CHROME,
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X20) AppleWebKit/537.36 Chrome/90.0 Mobile",
        "Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36 Chrome/90.0 Mobile",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        f"{CHROME}{' ' * 1_000}python-requests/2.32",
    ],
)
def test_whoever_may_be_a_person_is_none(name: str | None) -> None:
    assert not is_robot(name)
