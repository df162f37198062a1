from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from features.event import EventType
from features.stores.codec import decode_event
from features.stores.opening import open_log, open_stores
from tests.shop import SECRET
from tests.unit.homing.test_cli import run

SEARCH = {
    "event": "Products Searched",
    "userId": "anna",
    "messageId": "m",
    "timestamp": "2026-01-01T00:00:00Z",
}
BROKEN = json.dumps({**SEARCH, "timestamp": "soon"}).encode()
MEND = '[set]\ntimestamp = {constant = "2026-03-01T00:00:00Z"}'


class Shell:
    """The command line over a folder, and the log in it."""

    def __init__(
        self, home: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self._patch = patch
        self._capsys = capsys
        patch.setenv("HOMING_HOME", str(home))
        patch.setenv("HOMING_SECRET", SECRET)

    def bury(self, body: bytes = BROKEN, origin: str = "segment?method=track") -> None:
        log = open_log(f"sqlite:///{self.home / 'events.db'}")
        log.bury([body], "timestamp: no time", origin)
        log.close()

    def replay(self, *words: str) -> Any:  # noqa: ANN401 - a report
        """The report of `homing replay`."""
        assert run(self._patch, "replay", "--json", *words) == 0
        return json.loads(self._capsys.readouterr().out)

    def lines(self, *words: str) -> str:
        """What a person reads."""
        assert run(self._patch, "replay", *words) == 0
        return self._capsys.readouterr().out

    def refusal(self, *words: str) -> str:
        """The one line of a refusal."""
        assert run(self._patch, "replay", *words) == 1
        return self._capsys.readouterr().err

    def kept(self) -> list[EventType]:
        log = open_log(f"sqlite:///{self.home / 'events.db'}")
        entries = log.take("profiles", 10)
        log.close()
        return [decode_event(entry.body).type for entry in entries]


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys)


def test_letters_are_listed_with_what_is_wrong_now(shell: Shell) -> None:
    shell.bury()
    shell.bury(b"\x1b[2J\xff", "stripe")
    text = shell.lines()
    assert "segment  20" in text
    assert "timestamp: no time" in text
    assert "HOMING_WEBHOOK_STRIPE_SECRET" in text
    assert "0 sent again, 2 waiting" in text
    # No terminal is told to clear itself.
    assert "\\x1b[2J\\xff" in shell.lines("--show", "--source", "stripe")
    (letter,) = shell.replay("--show", "--source", "segment")["waiting"]
    assert base64.b64decode(letter["body"]) == BROKEN
    assert "body" not in shell.replay("--id", "1")["waiting"][0]


def test_letters_are_chosen_by_number_source_reason_and_time(shell: Shell) -> None:
    shell.bury()
    shell.bury(b"2", "ingest")
    for words, found in (
        (("--id", "2"), [2]),
        (("--id", "1", "--id", "2"), [1, 2]),
        (("--source", "segment"), [1]),
        (("--reason", "NO TIME"), [1, 2]),
        (("--reason", "other"), []),
        (("--since", "2026-01-01"), [1, 2]),
        (("--until", "2026-01-01T00:00:00"), []),
        (("--limit", "1"), [1]),
    ):
        assert [letter["id"] for letter in shell.replay(*words)["waiting"]] == found


def test_a_repair_is_tried_and_then_sent(shell: Shell) -> None:
    (shell.home / "mend.toml").write_text(MEND)
    shell.bury()
    repair = ("--repair", str(shell.home / "mend.toml"))
    (letter,) = shell.replay(*repair)["waiting"]
    assert letter["reason"] == "timestamp: no time; can be read now: --send"
    assert shell.kept() == []
    assert shell.replay(*repair, "--send") == {"waiting": [], "sent": 1, "dropped": 0}
    assert shell.kept() == [EventType.SEARCH]
    assert shell.replay()["waiting"] == []


def test_a_repair_that_cannot_be_made_leaves_the_letter(shell: Shell) -> None:
    (shell.home / "mend.toml").write_text(MEND)
    shell.bury(b"no JSON")
    (letter,) = shell.replay("--repair", str(shell.home / "mend.toml"), "--send")["waiting"]
    assert "edit the bytes" in letter["reason"]


def test_the_bytes_of_a_letter_are_saved_edited_and_sent(shell: Shell) -> None:
    shell.bury()
    shell.bury(b"2", "ingest")
    file = shell.home / "letter.json"
    shell.replay("--id", "1", "--save", str(file))
    assert file.read_bytes() == BROKEN
    file.write_text(json.dumps(SEARCH))
    assert shell.replay("--id", "1", "--body", str(file), "--send")["sent"] == 1
    assert shell.kept() == [EventType.SEARCH]
    for words in (("--save", str(file)), ("--body", str(file), "--id", "9")):
        if words[0] == "--save":
            shell.bury(b"3", "ingest")
        assert "--id" in shell.refusal(*words)
    assert "can't be read" in shell.refusal("--id", "2", "--body", str(shell.home / "none"))
    assert "can't be written" in shell.refusal("--id", "2", "--save", str(shell.home))


def test_letters_are_dropped_only_when_told(shell: Shell) -> None:
    shell.bury()
    shell.bury(b"2", "ingest")
    assert "leave one out" in shell.refusal("--drop", "--send")
    assert "0 sent again, 1 dropped, 0 waiting" in shell.lines("--source", "ingest", "--drop")
    assert [letter["id"] for letter in shell.replay()["waiting"]] == [1]


def test_products_of_a_letter_go_into_the_catalogue(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMING_WEBHOOK_SHOPIFY_SECRET", "s")
    product = {"id": 9, "title": "Lamp", "status": "active", "variants": [{"id": 1, "price": "3"}]}
    shell.bury(json.dumps(product).encode(), "shopify?x-shopify-topic=products%2Fcreate")
    assert shell.replay("--send")["sent"] == 1
    stores = open_stores(f"sqlite:///{shell.home / 'profiles.db'}")
    assert stores.catalogue.get_many(["9"])["9"].title == "Lamp"
    stores.close()


def test_check_tells_which_sources_are_set_up_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: Shell
) -> None:
    monkeypatch.setenv("HOMING_WEBHOOK_STRIPE_SECRET", "whsec_hush")
    assert run(monkeypatch, "check") == 0
    shown = capsys.readouterr().out
    assert "HOMING_WEBHOOK_STRIPE_SECRET=***" in shown
    assert "ok    webhooks: stripe" in shown
    assert "hush" not in shown
    monkeypatch.setenv("HOMING_WEBHOOK_STRIP_SECRET", "whsec_hush")
    assert run(monkeypatch, "check") == 1
    assert "FAIL  webhooks: HOMING_WEBHOOK_STRIP_SECRET" in capsys.readouterr().out
    assert shell.kept() == []


def test_no_more_is_sent_than_the_log_may_hold(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mend.toml").write_text(MEND)
    monkeypatch.setenv("HOMING_LOG_MAX_DEPTH", "1")
    log = open_log(f"sqlite:///{tmp_path / 'events.db'}")
    log.append([b"1", b"2"])
    log.close()
    shell.bury()
    told = shell.refusal("--repair", str(tmp_path / "mend.toml"), "--send")
    assert "2 events wait" in told
    assert len(shell.replay()["waiting"]) == 1
