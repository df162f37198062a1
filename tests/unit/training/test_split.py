from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from features.errors import NotEnoughData
from features.event import Event, EventType
from features.profile import MAX_INTERACTIONS, MAX_OWNED, History
from tests.unit.training.samples import (
    AT,
    SIZE,
    UNTIL,
    checkerboard,
    checkerboard_held_out,
    histories_before,
    key,
    purchase,
    table,
)
from training.heldout import thinned
from training.split import load_held_out

DAY = timedelta(days=1)


def read(history: History) -> tuple[object, ...]:
    """All that ranking reads of a history; events of one second are in no order."""
    interactions = Counter((seen.at, seen.item, seen.type) for seen in history.interactions)
    return interactions, history.bought, history.returned


def busy_life() -> list[Event]:
    """Two customers, the first with more than a history keeps, much of it in the same second."""
    chance = random.Random(5)  # noqa: S311 - makes test data
    kinds = (EventType.PURCHASE, EventType.VIEW, EventType.RETURN, EventType.SLATE_SERVED)
    events = []
    for number in range(3 * MAX_INTERACTIONS):
        at = AT - timedelta(hours=chance.randrange(12) + 1)
        kind = chance.choices(kinds, (4, 4, 1, 1))[0]
        event = purchase(number % 5 == 0, f"item-{chance.randrange(300)}", at, kind)
        events.append(
            Event(
                id=f"e{number}", type=kind, customer=event.customer, occurred_at=at, item=event.item
            )
        )
    opened = Event(id="o", type=EventType.EMAIL_OPEN, customer=key(0), occurred_at=AT - DAY)
    return [*events, opened, *(purchase(n, "later", AT + DAY) for n in range(2))]


def test_everybody_with_a_past_and_a_target_is_held_out_in_the_order_of_keys() -> None:
    held_out = checkerboard_held_out()
    assert list(held_out.customers) == sorted(key(n) for n in range(SIZE))
    target = dict(zip(held_out.customers, held_out.targets, strict=True))
    assert target[key(3)] == {"item-03"}


def test_histories_are_folded_as_profiles_are() -> None:
    held_out = load_held_out(table(busy_life()), AT, UNTIL)
    folded = histories_before(busy_life(), AT)
    assert max(len(one.interactions) for one in held_out.histories) == MAX_INTERACTIONS
    for customer, history in zip(held_out.customers, held_out.histories, strict=True):
        assert read(history) == read(folded[customer])
        assert history.owned() == folded[customer].owned()


def test_no_more_owned_items_are_known_than_a_profile_keeps() -> None:
    past = [
        purchase(0, f"item-{n}", AT - timedelta(seconds=n // 3 + 1)) for n in range(MAX_OWNED + 7)
    ]
    events = [*past, purchase(1, "item-1", AT - DAY), *(purchase(n, "x", AT) for n in range(2))]
    held_out = load_held_out(table(events), AT, UNTIL)
    place = held_out.customers.index(key(0))
    assert len(held_out.histories[place].bought) == MAX_OWNED
    assert held_out.histories[place].bought == histories_before(events, AT)[key(0)].bought


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


def test_the_spend_on_a_target_is_the_sum_of_its_lines() -> None:
    def paid(number: int, item: str, value: float | None) -> Event:
        at = AT + timedelta(hours=number)
        return Event(
            id=f"{number}", type=EventType.PURCHASE, customer=key(0), occurred_at=at, item=item,
            value=value,
        )  # fmt: skip

    lines = [paid(1, "a", 2.5), paid(2, "b", 7.0), paid(3, "a", 1.25), paid(4, "c", None)]
    events = [*lines, purchase(1, "c", AT), *(purchase(n, "old", AT - DAY) for n in range(2))]
    held_out = load_held_out(table(events), AT, UNTIL)
    one = held_out.picked(np.array([held_out.customers.index(key(0))]))
    assert [held_out.items[item] for item in one.wanted.items] == ["a", "b", "c"]
    assert one.wanted.spend.tolist() == [3.75, 7.0, 0.0]


def test_the_order_of_events_makes_no_difference_to_the_spend_to_the_bit() -> None:
    paid = np.random.default_rng(8).integers(1, 9_999, 40) / 100
    lines = [
        msgspec.structs.replace(purchase(0, "a", AT + timedelta(minutes=n)), value=value)
        for n, value in enumerate(paid.tolist())
    ]
    others = [purchase(1, "c", AT), *(purchase(n, "old", AT - DAY) for n in range(2))]
    there, back = (
        load_held_out(table([*some, *others]), AT, UNTIL).wanted.spend.tolist()
        for some in (lines, lines[::-1])
    )
    assert there == back
    # Added up as they come they would differ.
    assert np.add.reduceat(paid, [0])[0] != np.add.reduceat(paid[::-1], [0])[0]


def test_too_few_customers_are_refused_with_their_counts() -> None:
    lonely = [purchase(0, "a", AT - DAY), purchase(0, "b", AT + DAY), purchase(1, "a", AT + DAY)]
    with pytest.raises(NotEnoughData, match=r"2 customers bought .* 1 of them with history before"):
        load_held_out(table(lonely), AT, UNTIL)


def test_some_of_the_customers_are_the_same_whether_picked_before_or_after() -> None:
    few = load_held_out(table(checkerboard()), AT, UNTIL, most=5)
    assert few.customers[0] == min(key(n) for n in range(SIZE))
    assert few.customers[-1] == max(key(n) for n in range(SIZE))
    picked = thinned(checkerboard_held_out(), 5)
    assert (few.customers, few.targets) == (picked.customers, picked.targets)
    assert list(map(read, few.histories)) == list(map(read, picked.histories))
    assert len(few.customers) == 5
    assert thinned(few, 99).customers == few.customers
