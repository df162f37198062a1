from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.errors import NotEnoughData
from features.event import Event, EventType
from features.lake import Lake
from features.tables import event_table
from tests.unit.training.churn.samples import AT, SOURCE, make_snapshot
from training.churn.fit import fit_logistic
from training.churn.horizon import active_days, horizon_days, horizon_of
from training.churn.snapshots import Horizon
from training.span import Span

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
SPAN = Span(FIRST, FIRST + timedelta(days=456), timedelta(days=56), 0)
GAPS = np.arange(1.0, 101.0)  # 95 of 100 are at most 95 days long


def test_the_horizon_is_as_long_as_95_of_100_gaps_in_whole_weeks() -> None:
    assert horizon_days(GAPS / 5, known=400, holdout=56) == 21  # 19.0 days
    assert horizon_days(GAPS / 50, known=400, holdout=56) == 7


def test_a_horizon_ends_within_held_out_time_and_leaves_history_to_learn_from() -> None:
    assert horizon_days(GAPS, known=4_000, holdout=365) == 91
    assert horizon_days(GAPS, known=4_000, holdout=60) == 56
    assert horizon_days(GAPS, known=180, holdout=56) == 42


def test_the_active_span_is_as_long_as_99_of_100_gaps_and_not_shorter_than_the_horizon() -> None:
    assert active_days(GAPS, known=4_000, ahead=56) == 105
    assert active_days(GAPS, known=200, ahead=42) == 70
    assert active_days(GAPS / 50, known=400, ahead=28) == 28
    assert active_days(GAPS * 9, known=4_000, ahead=56) == 364


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Who buys twice a day, every ten days; and who buys every day, in held-out time only."""
    moments = [("ck_a", day, hour) for day in range(0, 390, 10) for hour in (1, 2)]
    moments += [("ck_b", day, 0) for day in range(401, 450)] + [("ck_c", 5, 0)]
    events = [
        Event(
            id=f"{customer}{day}{hour}",
            type=EventType.PURCHASE,
            customer=customer,
            occurred_at=FIRST + timedelta(days=day, hours=hour),
            item="x",
        )
        for customer, day, hour in moments
    ]
    made = Lake(str(tmp_path / "lake"))
    made.merge_events(event_table(events))
    return made


def test_gaps_lie_between_days_and_before_held_out_time(lake: Lake) -> None:
    found = horizon_of(lake, SPAN, (None, None), None)
    assert found == Horizon(timedelta(days=14), timedelta(days=14))


def test_what_is_set_counts_and_a_champion_where_nothing_is(lake: Lake) -> None:
    champion = fit_logistic([make_snapshot(number=n) for n in range(2)], SOURCE, AT)
    kept = horizon_of(lake, SPAN, (None, None), champion)
    assert kept == Horizon(timedelta(days=28), timedelta(days=56))
    changed = horizon_of(lake, SPAN, (30, None), champion)
    assert changed == Horizon(timedelta(days=30), timedelta(days=56))
    assert horizon_of(lake, SPAN, (9, None), None).active == timedelta(days=14)


def test_without_a_gap_somebody_must_say_what_churn_means(lake: Lake) -> None:
    short = Span(FIRST, FIRST + timedelta(days=8), timedelta(days=1), 0)
    with pytest.raises(NotEnoughData, match="set HOMING_CHURN_HORIZON_DAYS"):
        horizon_of(lake, short, (None, None), None)
    assert horizon_of(lake, short, (3, 4), None) == Horizon(timedelta(days=3), timedelta(days=4))
