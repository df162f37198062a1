"""A history that a feed has spoilt is refused, and the check that refuses it names the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec
import pytest

from features.event import Event, EventType
from tests.shop import END, make_shop
from tests.unit.training.samples import table
from training.gate.data import check_history
from training.gate.history import load_facts

NOW: Final = END + timedelta(hours=1)
WEEK: Final = timedelta(days=7)
Spoil = Callable[[list[Event]], Iterable[Event]]

changed = msgspec.structs.replace


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A shop that is busy every day, and whose purchases were viewed before."""
    bought = make_shop(200, days=120, every=4.0).events
    viewed = [
        changed(event, id=f"{event.id}:v", type=EventType.VIEW, value=None, currency=None)
        for event in bought
        if event.type is EventType.PURCHASE
    ]
    return [*bought, *viewed]


def failed(events: Iterable[Event], now: datetime = NOW) -> set[str]:
    facts = load_facts(table(events), now)
    checks = check_history(facts, 7, END - timedelta(days=60))
    return {one.name for one in checks if not one.passed}


def lately(event: Event, days: int = 7) -> bool:
    return event.occurred_at >= END - timedelta(days=days)


def purchase(event: Event) -> bool:
    return event.type is EventType.PURCHASE


def each(
    change: Callable[[Event], Event], where: Callable[[Event], bool] = purchase
) -> Callable[[list[Event]], Iterator[Event]]:
    """Changes the events of the last week that are such."""
    return lambda events: (change(e) if lately(e) and where(e) else e for e in events)


def more(
    copies: int, change: Callable[[Event, int], Event]
) -> Callable[[list[Event]], Iterator[Event]]:
    """Adds so many copies of each event of the last week, under ids of their own."""

    def spoilt(events: list[Event]) -> Iterator[Event]:
        yield from events
        for event in events:
            for number in range(copies if lately(event) else 0):
                yield changed(change(event, number), id=f"{event.id}:{number}")

    return spoilt


def sent_twice(events: list[Event]) -> Iterator[Event]:
    yield from events
    yield from (changed(event, id=f"{event.id}:again") for event in events)


def without_days(events: list[Event]) -> Iterator[Event]:
    gap = (END - timedelta(days=20), END - timedelta(days=12))
    return (event for event in events if not gap[0] <= event.occurred_at < gap[1])


def robot(events: list[Event]) -> list[Event]:
    """One customer looks at everything again and again."""
    views = [e for e in events if lately(e, 28) and e.type is EventType.VIEW][:1_500]
    return [
        *events,
        *(changed(e, id=f"{e.id}:bot", customer=events[0].customer) for e in views),
    ]


FAULTS: Final[dict[str, tuple[Spoil, str]]] = {
    "the whole feed sent twice": (sent_twice, "repeated"),
    "eight days missing": (without_days, "days"),
    "a week all but lost": (
        lambda events: (e for n, e in enumerate(events) if not lately(e) or n % 10 == 0),
        "volume",
    ),
    "a week sent twelve times, a minute apart": (
        more(11, lambda e, n: changed(e, occurred_at=e.occurred_at - timedelta(minutes=n + 1))),
        "volume",
    ),
    "purchases told as views": (each(lambda e: changed(e, type=EventType.VIEW)), "types"),
    "views told as carts": (
        each(lambda e: changed(e, type=EventType.CART), lambda e: e.type is EventType.VIEW),
        "types",
    ),
    "purchases no longer sent": (
        lambda events: (e for e in events if not (purchase(e) and lately(e))),
        "types",
    ),
    "everything told as returned too": (
        more(2, lambda e, _: changed(e, type=EventType.RETURN, item=e.item or "tea-0")),
        "types",
    ),
    "a robot": (robot, "flood"),
    "one item for all": (
        lambda events: (
            changed(e, item="tea-0") if lately(e, 28) and e.item and n % 10 < 7 else e
            for n, e in enumerate(events)
        ),
        "flood",
    ),
    "pence for pounds": (each(lambda e: changed(e, value=100 * (e.value or 0))), "prices"),
    "thousands for units": (each(lambda e: changed(e, value=(e.value or 0) / 1000)), "prices"),
    "line totals in place of quantities": (each(lambda e: changed(e, quantity=-1.0)), "amounts"),
    "quantities lost": (each(lambda e: changed(e, quantity=float("nan"))), "amounts"),
    "values without end": (each(lambda e: changed(e, value=float("inf"))), "amounts"),
    "a clock a year ahead": (
        lambda events: (
            changed(e, occurred_at=e.occurred_at + timedelta(days=365)) if n % 50 == 0 else e
            for n, e in enumerate(events)
        ),
        "clock",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoilt_history_is_refused(events: list[Event], fault: str) -> None:
    spoil, check = FAULTS[fault]
    assert check in failed(spoil(events))


def test_a_history_that_nobody_spoilt_passes(events: list[Event]) -> None:
    assert failed(events) == set()


def test_a_history_that_stopped_is_stale_only_where_it_would_replace_a_champion(
    events: list[Event],
) -> None:
    assert failed(events, NOW + WEEK) == {"fresh"}
    facts = load_facts(table(events), NOW + 100 * WEEK)
    assert all(one.passed for one in check_history(facts, 7, None))


def test_a_lake_that_was_put_back_before_the_champion_is_not_fresh(events: list[Event]) -> None:
    before = END - timedelta(days=70)
    early = [event for event in events if event.occurred_at < before]
    assert failed(early, before + timedelta(hours=1)) == {"fresh"}
