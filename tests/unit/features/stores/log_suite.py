"""What every event log does: run against each of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from features.errors import StoreUnavailable
from features.event import Event, EventType
from features.stores.codec import decode_event, encode_event
from features.stores.ports import Entry, EventLog

SOON = 20.0
"""Seconds after which a server has surely delivered what it has."""
AT = 1_700_000_000
"""When the clock of the tests stands still, seconds since 1970."""


def body_of(customer: int, number: int) -> bytes:
    """An event of a customer, as the log keeps it."""
    when = datetime.fromtimestamp(AT, UTC)
    key = f"ck_{customer:032x}"
    event = Event(id=str(number), type=EventType.VIEW, customer=key, occurred_at=when, item="tea")
    return encode_event(event)


def taken(log: EventLog, reader: str, count: int) -> list[Entry]:
    """The first so many entries; a log on a server may deliver them a little later."""
    deadline = time.monotonic() + SOON
    while True:
        entries = log.take(reader, count)
        if len(entries) == count or time.monotonic() > deadline:
            return entries


def bodies(log: EventLog, reader: str, count: int) -> list[bytes]:
    return [entry.body for entry in taken(log, reader, count)]


def depth(log: EventLog, reader: str, expected: int) -> int:
    """How many entries wait, as soon as it is as expected."""
    deadline = time.monotonic() + SOON
    while (found := log.depth(reader)) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


class EventLogSuite:
    def test_what_was_appended_is_taken_in_order(self, log: EventLog) -> None:
        log.append([b"1", b"2"])
        log.append([])
        log.append([b"3"])
        assert bodies(log, "one", 3) == [b"1", b"2", b"3"]
        assert bodies(log, "one", 2) == [b"1", b"2"]
        positions = [entry.position for entry in log.take("one", 100)]
        assert len(positions) == 3
        assert positions == sorted(set(positions))

    def test_events_of_one_customer_stay_in_order(self, log: EventLog) -> None:
        for number in range(40):
            log.append([body_of(number % 10, number)])
        found = [decode_event(body) for body in bodies(log, "one", 40)]
        assert len(found) == 40
        for customer in {event.customer for event in found}:
            numbers = [int(event.id) for event in found if event.customer == customer]
            assert len(numbers) == 4
            assert numbers == sorted(numbers)

    def test_what_is_committed_is_what_was_taken_and_no_more(self, log: EventLog) -> None:
        log.append([body_of(number, number) for number in range(20)])
        first = taken(log, "one", 7)
        log.append([body_of(number, 20 + number) for number in range(20)])
        log.commit("one", first[-1].position)
        assert depth(log, "one", 33) == 33
        rest = bodies(log, "one", 33)
        assert len({entry.body for entry in first} | set(rest)) == 40
        assert log.take("one", 100)[33:] == []

    def test_taking_does_not_move_the_place_and_committing_does(self, log: EventLog) -> None:
        log.append([b"1", b"2", b"3"])
        second = taken(log, "one", 2)[-1].position
        assert bodies(log, "one", 3) == [b"1", b"2", b"3"]
        log.commit("one", second)
        assert bodies(log, "one", 1) == [b"3"]
        assert depth(log, "one", 1) == 1

    def test_a_place_never_goes_back(self, log: EventLog) -> None:
        log.append([b"1", b"2"])
        first, second = (entry.position for entry in taken(log, "one", 2))
        log.commit("one", second)
        log.commit("one", first)
        assert depth(log, "one", 0) == 0
        assert log.take("one", 100) == []

    def test_each_reader_has_its_own_place_and_depth(self, log: EventLog) -> None:
        assert log.depth("one") == 0
        log.append([b"1", b"2", b"3"])
        log.commit("one", taken(log, "one", 2)[-1].position)
        assert (depth(log, "one", 1), depth(log, "two", 3)) == (1, 3)
        assert bodies(log, "two", 3) == [b"1", b"2", b"3"]

    def test_dead_letters_keep_bytes_reason_source_and_time(self, log: EventLog) -> None:
        log.bury([b"\xff\x00", b"2"], "not JSON", "webhook")
        log.bury([b"3"], "no id", "ingest")
        letters = log.dead_letters()
        found = [(letter.body, letter.reason, letter.source, letter.at) for letter in letters]
        assert found == [
            (b"\xff\x00", "not JSON", "webhook", AT),
            (b"2", "not JSON", "webhook", AT),
            (b"3", "no id", "ingest", AT),
        ]

    def test_the_same_bytes_of_the_same_source_are_buried_once(self, log: EventLog) -> None:
        log.bury([b"1", b"1"], "reason", "ingest")
        log.bury([b"1"], "another reason", "ingest")
        log.bury([b"1"], "reason", "webhook")
        assert [letter.source for letter in log.dead_letters()] == ["ingest", "webhook"]

    def test_dead_letters_come_page_by_page_and_are_removed_by_id(self, log: EventLog) -> None:
        log.bury([b"1", b"2", b"3"], "reason", "ingest")
        first, second = log.dead_letters(limit=2)
        (third,) = log.dead_letters(after=second.id)
        assert third.body == b"3"
        log.remove_dead([first.id, third.id])
        assert log.dead_letters() == [second]

    def test_threads_that_append_at_once_lose_nothing(self, log: EventLog) -> None:
        def append(number: int) -> None:
            for step in range(10):
                log.append([b"%d-%d-a" % (number, step), b"%d-%d-b" % (number, step)])

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(append, range(8)))
        found = bodies(log, "one", 160)
        assert len(found) == len(set(found)) == 160
        assert depth(log, "one", 160) == 160
        # What one call appended stays together.
        assert all(a[:-1] == b[:-1] for a, b in zip(found[::2], found[1::2], strict=True))

    def test_a_closed_log_declares_it_and_names_the_cure(self, log: EventLog) -> None:
        log.append([b"1"])
        log.close()
        log.close()
        calls: list[Callable[[], object]] = [
            lambda: log.append([b"2"]),
            lambda: log.take("one", 1),
            lambda: log.commit("one", 1),
            lambda: log.depth("one"),
            log.trim,
            lambda: log.bury([b"2"], "reason", "ingest"),
            log.dead_letters,
            lambda: log.remove_dead([1]),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable, match=r"closed.*open it again"):
                call()


class TrimmingSuite:
    """Of logs that keep what was committed until they are told to drop it."""

    def test_trimming_waits_for_every_known_reader(self, log: EventLog) -> None:
        log.append([b"1", b"2", b"3"])
        assert log.trim() == 0
        log.take("slow", 1)
        log.commit("fast", log.take("fast", 3)[-1].position)
        assert log.trim() == 0
        log.commit("slow", log.take("slow", 2)[-1].position)
        assert log.trim() == 2
        assert bodies(log, "slow", 1) == [b"3"]
        assert (log.depth("slow"), log.depth("fast"), log.depth("new")) == (1, 0, 1)

    def test_positions_go_on_after_everything_was_trimmed(self, log: EventLog) -> None:
        log.append([b"1", b"2"])
        last = log.take("one", 2)[-1].position
        log.commit("one", last)
        assert log.trim() == 2
        log.append([b"3"])
        (entry,) = log.take("one", 2)
        assert entry.body == b"3"
        assert entry.position > last
        assert log.depth("one") == 1
