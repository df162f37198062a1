from __future__ import annotations

import pytest

from features.clock import FixedClock
from features.errors import InvalidArgument
from homing.sync.rest import Waits, day
from tests.unit.features.making import NOW


@pytest.mark.parametrize(
    ("moment", "asked"),
    [
        (1_772_323_200, "2026-03-01"),
        (1_772_323_200_000, "2026-03-01"),
        ("2026-03-01T00:00:00Z", "2026-03-01"),
        ("20260301", "2026-03-01"),
    ],
)
def test_a_cursor_is_asked_for_by_its_day(moment: object, asked: str) -> None:
    assert day(moment) == asked


@pytest.mark.parametrize("moment", [10**18, 10**30, 10**400, float("inf"), float("nan")])
def test_a_cursor_that_no_calendar_has_is_refused(moment: float) -> None:
    with pytest.raises(InvalidArgument, match="no moment"):
        day(moment)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("120\x1c", 120.0),
        ("Sun, 01 Mar 2026 00:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2020 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        (f"Sun, 01 Mar 2026 {10**12}:00:00 GMT", None),
        (f"Sun, 01 Mar 2026 00:00:00 {'9' * 400}", None),
    ],
)
def test_how_long_to_wait_may_be_told_in_any_way(header: str, seconds: float | None) -> None:
    assert Waits(FixedClock(NOW)).asked_for(header) == seconds
