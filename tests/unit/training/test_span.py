from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import LakeMissing, NotEnoughData
from features.event import Event, EventType
from features.lake import Lake
from features.tables import event_table
from training.span import span_of

NOW = FixedClock(datetime(2026, 5, 10, 12, tzinfo=UTC))
WEEK = timedelta(days=7)


def lake_of(folder: Path, *days: int, kind: EventType = EventType.PURCHASE) -> Lake:
    at = datetime(2026, 5, 1, 8, 30, 15, 250_000, tzinfo=UTC)
    lake = Lake(str(folder))
    made = [
        Event(id=str(d), type=kind, customer="ck_a", item="x", occurred_at=at + timedelta(days=d))
        for d in days
    ]
    lake.merge_events(event_table(made))
    return lake


def test_the_span_ends_just_after_the_latest_purchase_that_is_not_ahead_of_us(
    tmp_path: Path,
) -> None:
    span = span_of(lake_of(tmp_path, -20, 3, 40), WEEK, NOW)
    assert span.end == datetime(2026, 5, 4, 8, 30, 16, tzinfo=UTC)
    assert span.cutoff == span.end - WEEK
    assert span.first.date() == datetime(2026, 4, 11, tzinfo=UTC).date()
    assert span.lake_version == 0


def test_what_is_judged_is_fitted_a_gap_before_held_out_time(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, -20, 3)
    span = span_of(lake, WEEK, NOW, timedelta(days=2))
    assert (span.cutoff - span.fit_until, span.end - span.cutoff) == (timedelta(days=2), WEEK)
    assert span_of(lake, WEEK, NOW).fit_until == span.cutoff
    with pytest.raises(NotEnoughData, match=r"last 7 days are held out.* 17 days before them"):
        span_of(lake, WEEK, NOW, timedelta(days=17))


def test_history_of_views_alone_is_too_little(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughData, match="no purchase"):
        span_of(lake_of(tmp_path, 0, kind=EventType.VIEW), WEEK, NOW)


def test_no_lake_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing):
        span_of(Lake(str(tmp_path / "none")), WEEK, NOW)
