from __future__ import annotations

from datetime import timedelta

import pytest

from features.errors import NotEnoughData
from features.event import EventType
from features.profile import history_of
from tests.unit.training.samples import (
    AT,
    SIZE,
    UNTIL,
    checkerboard,
    checkerboard_held_out,
    key,
    purchase,
    table,
)
from training.heldout import load_held_out, load_histories, thinned

DAY = timedelta(days=1)


def test_everybody_with_a_past_and_a_target_is_held_out_in_the_order_of_keys() -> None:
    held_out = checkerboard_held_out()
    assert list(held_out.customers) == sorted(key(n) for n in range(SIZE))
    target = dict(zip(held_out.customers, held_out.targets, strict=True))
    assert target[key(3)] == {"item-03"}


def test_histories_are_folded_as_profiles_are() -> None:
    events = [event for event in checkerboard() if event.occurred_at < AT]
    for customer, history in load_histories(table(checkerboard()), AT).items():
        assert history == history_of(event for event in events if event.customer == customer)


def test_targets_are_purchases_from_t_until_the_end() -> None:
    past = [purchase(n, "old", AT - DAY) for n in range(3)]
    events = [
        *past,
        purchase(0, "on-the-dot", AT),
        purchase(0, "last", UNTIL - timedelta(microseconds=1)),
        purchase(0, "too-late", UNTIL),
        purchase(0, "only-seen", AT + DAY, EventType.VIEW),
        purchase(1, "a", AT + DAY),
        purchase(1, "a", AT + 2 * DAY),
        purchase(2, "only-seen", AT + DAY, EventType.VIEW),
        purchase(3, "no-past", AT + DAY),
    ]
    held_out = load_held_out(table(events), AT, UNTIL)
    assert dict(zip(held_out.customers, held_out.targets, strict=True)) == {
        key(0): {"on-the-dot", "last"},
        key(1): {"a"},
    }
    assert [history.owned() for history in held_out.histories] == [{"old"}, {"old"}]


def test_too_few_customers_are_refused_with_their_counts() -> None:
    lonely = [purchase(0, "a", AT - DAY), purchase(0, "b", AT + DAY), purchase(1, "a", AT + DAY)]
    with pytest.raises(NotEnoughData, match=r"2 customers bought .* 1 of them with history before"):
        load_held_out(table(lonely), AT, UNTIL)


def test_some_of_the_customers_are_the_same_whether_picked_before_or_after() -> None:
    few = load_held_out(table(checkerboard()), AT, UNTIL, most=5)
    assert few.customers[0] == min(key(n) for n in range(SIZE))
    assert few.customers[-1] == max(key(n) for n in range(SIZE))
    picked = thinned(checkerboard_held_out(), 5)
    assert (few.customers, few.histories, few.targets) == (
        picked.customers,
        picked.histories,
        picked.targets,
    )
    assert len(few.customers) == 5
    assert thinned(few, 99).customers == few.customers


def test_no_events_give_no_histories() -> None:
    assert load_histories(table([]), AT) == {}
