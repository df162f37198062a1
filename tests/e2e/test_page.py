"""The page as a person sees it, in a real browser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pytest

from features.profile import Profile, Published, StoredSlate
from features.settings import Settings
from features.stores.opening import open_stores
from homing.child import free_port, running_scorer
from tests.services import require
from tests.shop import SECRET, make_shop

STORED = ("tea-1", "toys-2", "paper-3", "garden-4")


@dataclass(frozen=True)
class Shown:
    """A running page and one of its customers."""

    address: str
    customer: str
    outside: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    home = tmp_path_factory.mktemp("page")
    shop = make_shop(3)
    stores = open_stores(Settings(home=home).resolved_store_url())
    stores.catalogue.put_many(shop.items)
    published = Published(
        at=1, segment="loyal", slates={"hero": StoredSlate(STORED, "recommender/7")}
    )
    stores.profiles.put_many(
        Profile(p.customer, p.history, published) for p in bare(shop.profiles())
    )
    stores.close()
    outside, customer = next(iter(shop.outside.items()))
    settings = {"HOMING_HOME": str(home), "HOMING_SECRET": SECRET, "HOMING_PAGE": "true"}
    with running_scorer(free_port(0), settings, home / "serve.log") as address:
        yield Shown(address, customer, outside)


def bare(profiles: Iterator[Profile]) -> Iterator[Profile]:
    """Customers who own nothing, so that their stored slate is shown whole."""
    for profile in profiles:
        yield Profile(profile.customer)


def dom(address: str, folder: Path) -> str:
    """The page after the browser has drawn it."""
    chromium = require("chromium", "chromium")
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    command = [chromium, *quiet, f"--user-data-dir={folder}", "--dump-dom", address]
    drawn = subprocess.run(command, capture_output=True, check=True, timeout=60)  # noqa: S603 - found above
    return drawn.stdout.decode()


def test_a_browser_shows_the_mail_and_what_was_asked_and_answered(
    shown: Shown, tmp_path: Path
) -> None:
    page = dom(f"{shown.address}/?customer={shown.customer}&block=hero&send=monday", tmp_path)

    mail = re.search(r'srcdoc="([^"]*)"', page)
    assert mail is not None
    for title in ("Tea number 1", "Toys number 2", "Paper number 3", "Garden number 4"):
        assert title in unescape(mail[1])
    text = unescape(page)
    assert f"GET /v1/recommendations?customer={shown.customer}&block=hero&send=monday" in text
    assert '<span class="rung">profile</span>' in page
    assert "no model" in page
    assert "loyal" in page


def test_the_shops_own_id_leads_to_the_customer_without_standing_in_a_url(shown: Shown) -> None:
    found = httpx.post(f"{shown.address}/", data={"outside": shown.outside, "block": "hero"})

    assert found.status_code == httpx.codes.SEE_OTHER
    assert found.headers["location"] == f"/?customer={shown.customer}&block=hero"


def test_buying_on_the_page_changes_the_next_mail(shown: Shown) -> None:
    form = {"customer": shown.customer, "item": "tea-1", "block": "hero"}

    page = httpx.post(f"{shown.address}/purchase", data=form, follow_redirects=True, timeout=20)

    assert page.status_code == httpx.codes.OK
    assert "bought Tea number 1" in page.text
    assert "1. Toys number 2" in page.text


@pytest.mark.parametrize(
    "query", ["block=nowhere", "customer=%00", "send=%07", "block=hero&send=" + "x" * 999]
)
def test_a_question_that_makes_no_sense_gets_a_sentence(shown: Shown, query: str) -> None:
    page = httpx.get(f"{shown.address}/?{query}")

    assert page.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 2_000, b"customer=%00", b""])
@pytest.mark.parametrize("path", ["/", "/purchase"])
def test_a_form_that_makes_no_sense_is_never_an_error_of_ours(
    shown: Shown, path: str, body: bytes
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = httpx.post(f"{shown.address}{path}", content=body, headers=kind)

    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR


def test_what_a_shop_writes_into_a_title_is_text_on_the_page(shown: Shown) -> None:
    page = httpx.get(f"{shown.address}/?customer=%3Cscript%3Ealert(1)%3C/script%3E")

    assert "<script>" not in page.text
