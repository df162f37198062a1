from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

from features.event import Event, EventType
from tests.unit.training.samples import AT, purchase, table
from training.gate.data import check_days, check_history, check_volume
from training.gate.history import DAYS, HistoryFacts, load_facts, newcomers

NOON = AT + timedelta(hours=12)


def sold(days: int, each: int = 1, until: datetime = AT) -> Iterator[Event]:
    """So many purchases on each of so many days before a moment, at noon."""
    for day in range(1, days + 1):
        for number in range(each):
            at = until - timedelta(days=day) + timedelta(hours=12, minutes=number)
            yield purchase(number, f"item-{number:02}", at)


def facts_of(*events: Event, now: datetime = NOON) -> HistoryFacts:
    return load_facts(table(events), now)


def test_whole_days_are_counted_and_the_present_one_is_left_out() -> None:
    facts = facts_of(*sold(100, 3), purchase(1, "a", AT + timedelta(hours=1)))
    assert facts.counts["purchase"].tolist() == [3] * DAYS
    assert facts.young == DAYS
    assert facts.last == AT + timedelta(hours=1)


def test_a_young_history_is_as_young_as_its_first_event() -> None:
    facts = facts_of(*sold(10), purchase(1, "a", AT))
    assert facts.young == 10
    assert facts.counts["purchase"].sum() == 10


def test_what_repeats_in_everything_but_its_id_is_counted() -> None:
    one = purchase(1, "a", AT)
    again, other = (
        msgspec.structs.replace(one, id=name, quantity=q) for name, q in (("x", 1.0), ("y", 2.0))
    )
    facts = facts_of(one, again, other)
    assert (facts.interactions, facts.repeated) == (3, 1)


def test_who_and_what_is_busiest_is_told() -> None:
    facts = facts_of(*(purchase(n % 3, "a", AT - timedelta(hours=n)) for n in range(9)))
    assert (facts.customers, facts.top_customer, facts.top_item) == (3, 3, 9)


def test_events_of_the_future_are_counted_apart() -> None:
    facts = facts_of(purchase(1, "a", AT), purchase(1, "a", NOON + timedelta(days=2)))
    assert facts.ahead == 1
    assert facts.last == AT
    assert facts.interactions == 1


def test_a_typical_price_is_of_one_unit() -> None:
    paid = [
        msgspec.structs.replace(purchase(n, "a", AT - timedelta(days=days)), value=v, quantity=q)
        for n, (days, v, q) in enumerate([(1, 8.0, 2.0), (2, 1.0, 1.0), (20, 9.0, 1.0)])
    ]
    facts = facts_of(*paid)
    assert facts.price.typical == pytest.approx(2.0)
    assert facts.price_before.typical == pytest.approx(9.0)
    assert np.isnan(facts_of(purchase(1, "a", AT)).price.typical)


def test_purchases_without_a_sane_amount_are_counted() -> None:
    sane = [purchase(number, "a", AT) for number in range(4)]
    change = msgspec.structs.replace
    odd = [
        change(sane[0], quantity=0.0),
        change(sane[1], quantity=float("nan")),
        change(sane[2], value=-1.0),
        sane[3],
    ]
    assert facts_of(*odd).broken == 3


def test_items_that_first_came_up_later_are_newcomers() -> None:
    events = [
        purchase(1, "old", AT - timedelta(days=1)),
        purchase(1, "old", AT),
        purchase(2, "new", AT),
    ]
    assert newcomers(table(events), AT) == {"new"}


def test_a_shop_without_a_history_to_speak_of_passes() -> None:
    checks = check_history(facts_of(purchase(1, "a", AT, EventType.VIEW)), 7, None)
    assert [one.name for one in checks if not one.passed] == []


def test_the_same_weekday_tells_what_is_usual() -> None:
    """A shop that is closed on Sundays has no day missing; closed for a week, it has."""
    busy = [e for e in sold(90, 30) if e.occurred_at.weekday() != 6]
    today = purchase(1, "a", AT)
    assert check_days(facts_of(*busy, today)).evidence["missing"] == 0
    gap = [e for e in busy if not timedelta(days=8) < AT - e.occurred_at < timedelta(days=16)]
    closed = check_days(facts_of(*gap, today))
    assert closed.evidence["missing"] == 7
    assert not closed.passed


def test_a_week_is_held_against_the_median_week() -> None:
    week = AT - timedelta(days=7)
    fallen = [e for n, e in enumerate(sold(60, 30)) if e.occurred_at < week or n % 5 == 0]
    check = check_volume(facts_of(*fallen, purchase(1, "a", AT)))
    assert not check.passed
    assert check.reason.startswith("events: 42 in the last week, 210 in a usual one")
