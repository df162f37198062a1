from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from features.event import NEEDS_ITEM, Event, EventType
from features.histories import COLUMNS, histories_of
from features.profile import MAX_INTERACTIONS, MAX_OWNED, History, history_of
from tests.unit.features.making import ANN, BOB, CAT, NOW, event

TYPES = sorted(set(EventType) - {EventType.IDENTIFY})  # what a file can say


@st.composite
def happened(draw: st.DrawFn) -> tuple[EventType, str, str | None, float, float]:
    """Type, customer, item, seconds and quantity: few of each, so that they meet."""
    kind = draw(st.sampled_from(TYPES))
    items = ("lamp", "hat") if kind in NEEDS_ITEM else ("lamp", None)
    moment = draw(st.sampled_from((0, 0.25, 1, 2)))
    return (
        kind,
        draw(st.sampled_from((ANN, BOB, CAT))),
        draw(st.sampled_from(items)),
        moment,
        draw(st.sampled_from((1.0, 2.5))),
    )


def ordered(events: Sequence[Event], size: int) -> Iterator[pa.RecordBatch]:
    """The columns of events in the order that is asked for, so many rows in a batch."""
    rows = sorted(
        ((one.customer, int(one.occurred_at.timestamp()), one.id, one) for one in events),
        key=lambda row: row[:2],
    )
    columns = {
        "customer": [one.customer for *_, one in rows],
        "id": [one.id for *_, one in rows],
        "type": [one.type for *_, one in rows],
        "seconds": [at for _, at, _, _ in rows],
        "item": pa.array([one.item for *_, one in rows], pa.string()),
        "quantity": [one.quantity for *_, one in rows],
    }
    yield from pa.table(columns).select(COLUMNS).to_batches(max_chunksize=size)


def made(events: Sequence[Event], size: int, at_once: int) -> dict[str, History]:
    found: dict[str, History] = {}
    counted = 0
    for histories, number in histories_of(ordered(events, size), at_once):
        assert len(histories) <= at_once
        assert not histories.keys() & found.keys()
        found |= histories
        counted += number
    assert counted == len(events)
    return found


@given(st.lists(happened(), min_size=1, max_size=20), st.integers(1, 7), st.integers(1, 3))
def test_columns_give_the_histories_that_events_give(
    told: list[tuple[EventType, str, str | None, float, float]], size: int, at_once: int
) -> None:
    events = [
        event(
            f"e-{number}",
            NOW + timedelta(seconds=by),
            type=kind,
            customer=customer,
            item=item,
            quantity=quantity,
        )
        for number, (kind, customer, item, by, quantity) in enumerate(told)
    ]
    expected = {
        customer: history_of(one for one in events if one.customer == customer)
        for customer in {one.customer for one in events}
    }
    assert made(events, size, at_once) == expected


def test_no_more_is_kept_than_a_history_holds() -> None:
    many = [
        event(f"e-{number}", NOW + timedelta(seconds=number // 2), item=f"item-{number:04}")
        for number in range(MAX_OWNED + 7)
    ]
    history = made(many, 100, 1)[ANN]
    assert history == history_of(many)
    assert (len(history.interactions), len(history.bought)) == (MAX_INTERACTIONS, MAX_OWNED)


def test_no_more_returns_are_kept_than_a_history_holds() -> None:
    many = [
        event(f"e-{number}", NOW, type=EventType.RETURN, item=f"item-{number:04}")
        for number in range(MAX_OWNED + 7)
    ]
    history = made(many, 100, 1)[ANN]
    assert history == history_of(many)
    assert "item-0006" not in history.returned


def test_no_events_are_no_histories() -> None:
    assert list(histories_of([], 1)) == []
