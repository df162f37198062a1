"""The machine's clock goes, in UTC; a fixed one stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from features.clock import FixedClock, SystemClock


def test_the_system_clock_goes_forward_in_utc() -> None:
    clock = SystemClock()
    before, after = clock.now(), clock.now()
    assert before <= after
    assert before.utcoffset() == timedelta(0)
    assert before > datetime(2025, 1, 1, tzinfo=UTC)


def test_a_fixed_clock_stands_still_until_it_is_moved() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    clock = FixedClock(at)
    assert clock.now() == clock.now() == at
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2026, 1, 1, 1, tzinfo=UTC)
