"""Entries know when they were accepted, whichever log keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clock import FixedClock
from features.stores.codec import customer_of, dated, encode_event, undated
from features.stores.dated import DatedLog
from features.stores.memory import MemoryLog
from features.stores.opening import open_log
from features.stores.ports import Entry
from tests.unit.features.making import ANN, event

THEN = datetime(2026, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(THEN)


def test_each_entry_knows_when_it_was_appended(clock: FixedClock) -> None:
    log = open_log("memory://", clock)
    log.append([b"one", b"two"])
    clock.advance(timedelta(seconds=3))
    log.append([b"three"])
    then = THEN.timestamp()
    assert log.take("lake", 10) == [
        Entry(1, b"one", then),
        Entry(2, b"two", then),
        Entry(3, b"three", then + 3),
    ]


def test_what_an_earlier_version_appended_has_no_time(clock: FixedClock) -> None:
    behind = MemoryLog(clock)
    behind.append([b"\x81", b"\xc1"])
    assert DatedLog(behind, clock).take("lake", 10) == [Entry(1, b"\x81"), Entry(2, b"\xc1")]


def test_dead_letters_have_the_bytes_that_came(clock: FixedClock) -> None:
    log = open_log("memory://", clock)
    log.bury([b"as it came"], "no event", "shop")
    assert [letter.body for letter in log.dead_letters()] == [b"as it came"]


def test_dead_letters_are_removed_behind_it(clock: FixedClock) -> None:
    log = open_log("memory://", clock)
    log.bury([b"one", b"two"], "no event", "shop")
    log.remove_dead([1])
    assert [letter.id for letter in log.dead_letters()] == [2]


def test_a_log_of_partitions_still_knows_whose_an_event_is() -> None:
    body = encode_event(event("e-1", THEN))
    assert customer_of(body) == customer_of(dated(body, 1)) == ANN


@given(st.binary(), st.integers(0, 1 << 60))
def test_any_body_comes_back_as_it_was(body: bytes, at: int) -> None:
    assert undated(dated(body, at)) == (body, at / 1e6)
