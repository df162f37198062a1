"""A campaign rehearsed against a scorer that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homing import cli
from tests.integration.test_serve import Shop, running
from tests.unit.homing.rehearsal.tiny import tiny_server, whole


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = tmp_path_factory.mktemp("home")
    with running(home, f"sqlite:///{home / 'profiles.db'}", HOMING_INGEST="false") as made:
        yield made


@pytest.fixture
def campaign(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Anna, whom the scorer knows, and somebody else."""
    bearer = shop.client.headers["authorization"]
    monkeypatch.setenv("HOMING_API_KEY", bearer.removeprefix("Bearer "))
    file = tmp_path / "list.csv"
    file.write_text("customer,city\nanna,Rome\nbert,Oslo\n")
    return file


def rehearse(monkeypatch: pytest.MonkeyPatch, file: Path, url: str, *words: str) -> int:
    """The exit status of `homing rehearse`."""
    command = ["homing", "rehearse", "--send", str(file), "--url", url, *words]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def told(captured: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(captured.readouterr().out)
    return report


def test_a_campaign_that_is_sound_is_told_drawn_and_leaves_with_0(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shop: Shop,
    campaign: Path,
) -> None:
    page = campaign.with_suffix(".html")
    url = str(shop.client.base_url)
    words = ("--rate", "200", "--block", "hero", "--repeat", "--report", str(page))
    assert rehearse(monkeypatch, campaign, url, *words) == 0
    shown = capsys.readouterr().out
    for line in (
        "2 recipients × hero: 4 fetches, 200 a second wanted",
        "unknown customer",
        "blanks: 0",
        "answered otherwise when repeated: 0",
        "repeats: 0 slates show an item twice",
    ):
        assert line in shown
    written = page.read_text()
    assert "Sound: no blank" in written
    assert "<svg" in written
    assert "http" not in written.partition("<svg")[0]


def test_a_machine_gets_one_object_with_every_block_of_the_mail(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shop: Shop,
    campaign: Path,
) -> None:
    picture = campaign.with_suffix(".png")
    words = ("--json", "--send-id", "spring", "--limit", "1", "--rate", "500")
    url = str(shop.client.base_url)
    assert rehearse(monkeypatch, campaign, url, *words, "--report", str(picture)) == 0
    report = told(capsys)
    assert (report["send"], report["recipients"]) == ("spring", 1)
    assert report["blocks"] == ["hero", "cross_sell", "buy_again"]
    assert report["load"]["statuses"] == {"200": 3}
    assert report["across"] == 0
    assert picture.stat().st_size > 10_000


def test_a_rehearsal_pins_what_the_send_will_show(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shop: Shop,
    campaign: Path,
) -> None:
    words = ("--json", "--send-id", "autumn", "--block", "hero", "--limit", "1")
    assert rehearse(monkeypatch, campaign, str(shop.client.base_url), *words) == 0
    shown = [one["item"] for one in told(capsys)["dominant"]]
    assert {item["id"] for item in shop.fetch(send="autumn")["items"]} == set(shown)


def test_a_block_that_shows_too_little_leaves_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], campaign: Path
) -> None:
    slate = {"slate": "sl_1", "served_by": "static", "reason": "no model", "items": [{"id": "a"}]}
    answers = iter([slate, {**slate, "slate": "sl_2"}, {**slate, "slate": "sl_3"}])

    with tiny_server(
        lambda connection, _: connection.sendall(whole(json.dumps(next(answers)).encode()))
    ) as target:
        url = f"http://127.0.0.1:{target.port}"
        words = ("--json", "--block", "hero", "--limit", "1", "--repeat", "--rate", "20")
        assert rehearse(monkeypatch, campaign, url, *words) == 1
    report = told(capsys)
    assert report["blanks"] == {"1 of 4 items": 2}
    assert report["differing"] == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--block", "none"), "answers 422 to the first fetch"),
        (("--url", "http://127.0.0.1:9"), "can't be connected to"),
        (("--url", "127.0.0.1"), "not a web address"),
        (("--report", "plot.gif"), "no such form"),
        (("--report", "none/plot.png"), "No such file"),
        (("--send", "nobody.csv"), "No such file"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shop: Shop,
    campaign: Path,
    words: tuple[str, ...],
    why: str,
) -> None:
    monkeypatch.chdir(campaign.parent)
    assert rehearse(monkeypatch, campaign, str(shop.client.base_url), *words) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert why in line


def test_without_a_key_the_first_fetch_tells(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shop: Shop,
    campaign: Path,
) -> None:
    monkeypatch.delenv("HOMING_API_KEY")
    assert rehearse(monkeypatch, campaign, str(shop.client.base_url)) == 1
    assert "answers 401 to the first fetch: no key" in capsys.readouterr().err


def test_an_address_that_is_no_scorer_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], campaign: Path
) -> None:
    def hang_up(connection: Any, _: bytes) -> None:  # noqa: ANN401 - a socket
        connection.shutdown(2)

    for answer, why in (
        (lambda connection, _: connection.sendall(whole(b"<html>", 404)), "answers 404"),
        (hang_up, "hangs up"),
    ):
        with tiny_server(answer) as target:
            assert rehearse(monkeypatch, campaign, f"http://127.0.0.1:{target.port}") == 1
        message = f"{why} to the first fetch: is it the address of a scorer?"
        assert message in capsys.readouterr().err
