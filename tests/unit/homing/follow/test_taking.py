from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import Overloaded, StoreUnavailable
from features.event import Event
from features.identity import CustomerKeys
from features.stores.codec import decode_event
from features.stores.memory import MemoryLog
from homing.follow.declared import parse_declared
from homing.follow.positions import Positions
from homing.follow.stream import Message
from homing.follow.taking import FAULT, Into, Taking
from homing.follow.tally import FollowReport, Tally
from tests.followed import EVENT, told
from tests.shop import END, SECRET

FILE = 'name = "shop"\n[sse]\nurl = "https://shop.example"\n'
CLOCK = FixedClock(END)
KEYS = CustomerKeys(SECRET.encode())


class Filling(MemoryLog):
    """A log that refuses events or letters a few times, and notes how many came at once."""

    def __init__(self, refusals: int, letters: int = 0) -> None:
        super().__init__(CLOCK)
        self.refusals, self.letters = refusals, letters
        self.sizes: list[int] = []

    def append(self, bodies: Sequence[bytes]) -> None:
        """Refuse, or keep."""
        if self.refusals:
            self.refusals -= 1
            message = "the log is full"
            raise Overloaded(message)
        self.sizes.append(len(bodies))
        super().append(bodies)

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Refuse, or keep."""
        if self.letters:
            self.letters -= 1
            message = "the log is away"
            raise StoreUnavailable(message)
        super().bury(bodies, reason, source)


class Kit:
    """Something that takes, and what came of it."""

    def __init__(self, log: MemoryLog, kinds: str = "") -> None:
        self.log = log
        self.tally = Tally("shop", CLOCK)
        self.stop = threading.Event()
        into = Into(log, KEYS, CLOCK, self.tally)
        self.take = Taking(parse_declared(kinds + FILE + EVENT, "shop.toml"), into, self.stop)

    def events(self) -> list[Event]:
        return [decode_event(entry.body) for entry in self.log.take("test", 9_999)]

    def letters(self) -> list[tuple[str, str, bytes]]:
        return [(one.source, one.reason, one.body) for one in self.log.dead_letters()]


@pytest.fixture
def kit() -> Kit:
    return Kit(MemoryLog(CLOCK))


def message(number: int, kind: str = "", **fields: object) -> Message:
    return Message(str(number), kind, json.dumps({**told(number), **fields}).encode())


def test_a_message_becomes_an_event_of_a_customer_key(kit: Kit) -> None:
    kit.take([message(1)])
    [event] = kit.events()
    assert (event.id, event.source, event.item) == ("shop:n1", "shop", "s1")
    assert event.customer == KEYS.resolve("ann1@example.com")


def test_what_can_not_be_read_becomes_a_letter_byte_for_byte(kit: Kit) -> None:
    garbage = Message("2", "", b'\xff{"who": "ann@example.com"')
    late = message(3, at="2999-01-01T00:00:00Z")
    cut = Message("", "", b"xxx", "longer than 3 bytes")
    kit.take([message(1), garbage, late, cut])
    assert [event.id for event in kit.events()] == ["shop:n1"]
    assert sorted(kit.letters()) == sorted(
        [
            ("follow:shop", "not JSON; send JSON in UTF-8", garbage.body),
            (
                "follow:shop",
                "occurred_at: in the future; send the time that it happened",
                late.body,
            ),
            ("follow:shop", "longer than 3 bytes", b"xxx"),
        ]
    )


def test_the_same_batch_again_adds_no_letter_and_the_same_ids(kit: Kit) -> None:
    batch = [message(1), Message("2", "", b"{")]
    kit.take(batch)
    kit.take(batch)
    assert [event.id for event in kit.events()] == ["shop:n1", "shop:n1"]
    assert len(kit.letters()) == 1


def test_kinds_that_are_not_ours_are_left_out_unread() -> None:
    kit = Kit(MemoryLog(CLOCK), 'kinds = ["seen"]\n')
    trouble = Message("3", "hello", b"x", "too long")
    kit.take([message(1, "seen"), Message("2", "hello", b"no JSON"), trouble])
    assert [event.id for event in kit.events()] == ["shop:n1"]
    assert [body for _, _, body in kit.letters()] == [b"x"]
    assert kit.tally.report() == FollowReport(
        name="shop", messages=3, events=1, left_out=1, letters=1, lost=0
    )


def test_a_full_log_makes_it_wait_and_then_has_each_event_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("homing.follow.taking.FIRST_PAUSE", 0.01)
    kit = Kit(Filling(3))
    kit.take([message(1), message(2)])
    assert [event.id for event in kit.events()] == ["shop:n1", "shop:n2"]
    assert not kit.tally.waiting


def test_letters_that_can_not_be_kept_at_once_double_no_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("homing.follow.taking.FIRST_PAUSE", 0.01)
    kit = Kit(Filling(0, letters=2))
    kit.take([message(1), Message("2", "", b"{")])
    assert [event.id for event in kit.events()] == ["shop:n1"]
    assert len(kit.letters()) == 1


def test_who_is_told_to_stop_while_the_log_is_full_has_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("homing.follow.taking.FIRST_PAUSE", 0.01)
    kit = Kit(Filling(999))
    threading.Timer(0.1, kit.stop.set).start()
    with pytest.raises(Overloaded, match="the log is full"):
        kit.take([message(1)])
    assert kit.tally.waiting
    assert kit.tally.report().messages == 0


def test_a_fault_of_the_reader_loses_nothing(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit.take._events, "read", lambda *_: 1 / 0)
    kit.take([message(1)])
    assert kit.letters() == [("follow:shop", FAULT, message(1).body)]


def test_clicks_on_several_links_within_seconds_are_marked() -> None:
    text = EVENT.replace('"view"', '"email_click"') + 'send = "mail"\n'
    tally = Tally("shop", CLOCK)
    log = MemoryLog(CLOCK)
    into = Into(log, KEYS, CLOCK, tally)
    take = Taking(parse_declared(FILE + text, "shop.toml"), into, threading.Event())
    take([message(number, who="ann", mail="m1") for number in range(3)])
    assert all(decode_event(entry.body).machine for entry in log.take("test", 9))


def test_a_long_batch_is_appended_in_parts() -> None:
    log = Filling(0)
    kit = Kit(log)
    kit.take([message(number) for number in range(1_200)])
    assert log.sizes == [500, 500, 200]
    assert [event.id for event in kit.events()] == [f"shop:n{number}" for number in range(1_200)]


def test_prometheus_is_told_what_was_taken(kit: Kit) -> None:
    kit.take([message(1), Message("2", "", b"{")])
    kit.tally.lose()
    told = {
        sample.name: sample.value for family in kit.tally.collect() for sample in family.samples
    }
    assert told == {
        "homing_follow_messages_total": 2,
        "homing_follow_events_total": 1,
        "homing_follow_left_out_total": 0,
        "homing_follow_letters_total": 1,
        "homing_follow_lost_total": 1,
        "homing_follow_waiting": 0,
        "homing_follow_silent_seconds": 0,
    }


def test_a_position_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    positions = Positions(tmp_path)
    assert positions.position == ""
    positions.keep("7")
    positions.keep("")
    assert Positions(tmp_path).position == positions.position == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["position.json"]
    before = tmp_path / "before"
    before.hardlink_to(tmp_path / "position.json")
    positions.keep("8")
    assert Positions(tmp_path).position == "8"
    assert b"7" in before.read_bytes(), "written into, where a kill leaves half of it"


def test_a_position_that_can_not_be_read_or_written_is_told_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "position.json").write_text("{")
    with pytest.raises(StoreUnavailable, match=r"position.json can't be read: .* remove it"):
        Positions(tmp_path)
    (tmp_path / "file").touch()
    positions = Positions(tmp_path / "other")
    (tmp_path / "other").touch()
    with pytest.raises(StoreUnavailable, match=r"can't be written: .*; see to the disk"):
        positions.keep("8")
    assert positions.position == ""
