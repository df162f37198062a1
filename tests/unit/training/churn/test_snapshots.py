from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.errors import NotEnoughData
from features.event import Event, EventType
from features.lake import Lake
from features.tables import event_table
from tests.unit.training.churn.samples import make_snapshot
from training.churn.snapshots import (
    Horizon,
    Snapshot,
    active_customers,
    load_snapshots,
    snapshot_times,
)
from training.churn.train import held_out_times, outcome_of
from training.span import Span

T = datetime(2026, 3, 1, tzinfo=UTC)
HORIZON = Horizon(ahead=timedelta(days=28), active=timedelta(days=56))


def bought(customer: str, days: float) -> Event:
    return Event(
        id=f"{customer}{days}",
        type=EventType.PURCHASE,
        customer=customer,
        occurred_at=T + timedelta(days=days),
        item="x",
        value=1.0,
    )


def snapshot(lake: Lake, version: int) -> Snapshot:
    """As of T."""
    return load_snapshots(lake, [T], HORIZON, version, lambda _done, _total: None)[T]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    events = [
        bought("ck_stays", -10),
        bought("ck_stays", 27.9),
        bought("ck_churns", -56),
        bought("ck_churns", 28),  # a moment too late
        bought("ck_gone", -56.1),
        bought("ck_new", 1),
        bought("ck_at_t", 0),
    ]
    made = Lake(str(tmp_path / "lake"))
    made.merge_events(event_table(events))
    return made


def test_active_customers_churn_when_nothing_follows_within_the_horizon(lake: Lake) -> None:
    found = snapshot(lake, 0)
    assert dict(zip(found.customers, found.churned.tolist(), strict=True)) == {
        "ck_stays": False,
        "ck_churns": True,
    }
    assert found.features["recency_days"].tolist() == [56.0, 10.0]  # in the order of keys


def test_features_do_not_see_the_time_of_the_label(lake: Lake) -> None:
    before = snapshot(lake, 0)
    lake.merge_events(event_table([bought("ck_stays", day) for day in range(28)]))
    after = snapshot(lake, lake.version())
    for name, column in before.features.items():
        assert column.tolist() == after.features[name].tolist(), name


def test_snapshots_that_are_read_together_are_those_that_are_read_alone(lake: Lake) -> None:
    moments, told = [T, T - timedelta(days=30), T - timedelta(days=56)], []
    together = load_snapshots(lake, moments, HORIZON, 0, lambda *done: told.append(done))
    assert list(together) == moments
    assert told == [(1, 3), (2, 3), (3, 3)]
    for at in moments:
        alone = load_snapshots(lake, [at], HORIZON, 0, lambda _done, _total: None)[at]
        assert together[at].customers == alone.customers
        assert together[at].checksum == alone.checksum
    assert together[moments[1]].customers == ("ck_churns", "ck_gone")


def test_who_finds_too_few_of_them_ends_it_before_features_are_read(lake: Lake) -> None:
    told: list[object] = []

    def counted(counts: Mapping[datetime, tuple[int, int]]) -> None:
        told.append(dict(counts))
        raise NotEnoughData

    with pytest.raises(NotEnoughData):
        load_snapshots(lake, [T], HORIZON, 0, lambda *done: told.append(done), counted)
    assert told == [{T: (2, 1)}]


def test_who_is_active_is_asked_of_the_past_alone(lake: Lake) -> None:
    found = active_customers(lake, T, HORIZON.active, 0)
    assert found == {"ck_stays", "ck_churns"}


def days_before(first: int, *, most: int = 10) -> list[int]:
    times = snapshot_times(T - timedelta(days=first), T, HORIZON, most=most)
    return [(T - at).days for at in times]


def test_snapshots_lie_a_horizon_apart_where_history_is_long() -> None:
    assert days_before(600) == [28 * number for number in range(1, 11)]
    assert days_before(600, most=3) == [28, 56, 84]


def test_where_history_is_short_they_lie_nearer_but_a_horizon_before_the_latest() -> None:
    assert days_before(56 + 84) == [28, 56, 63, 70, 77, 84]
    assert days_before(56 + 28) == [28]


def test_labels_of_held_out_snapshots_end_within_held_out_time() -> None:
    span = Span(T - timedelta(days=300), T, timedelta(days=60), 0)
    assert [(T - at).days for at in held_out_times(span, HORIZON)] == [60, 32]
    with pytest.raises(NotEnoughData, match="20 days are held out"):
        held_out_times(Span(span.first, T, timedelta(days=20), 0), HORIZON)


def test_days_that_a_rival_has_seen_are_not_held_out() -> None:
    span = Span(T - timedelta(days=300), T, timedelta(days=60), 0)
    seen = span.unseen_since(T - timedelta(days=40))
    assert [(T - at).days for at in held_out_times(seen, HORIZON)] == [40]
    assert span.unseen_since(T - timedelta(days=70)) == span
    with pytest.raises(NotEnoughData, match="0 days are held out"):
        held_out_times(span.unseen_since(T + timedelta(days=100)), HORIZON)


def test_held_out_time_in_which_nobody_churned_can_not_judge() -> None:
    snapshot = make_snapshot(50)
    snapshot.churned[:] = False
    with pytest.raises(NotEnoughData, match="0 of 50"):
        outcome_of({}, [snapshot])
