"""Whatever training reads: a visitor counts for the customer, and a robot for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from features.clock import FixedClock
from features.event import Event, EventType
from features.item import Item
from features.lake import Lake
from features.tables import event_table, item_table
from serving.model.weighting import Weighting
from tests.unit.training.samples import AT, UNTIL, key, purchase, table
from training.affinity import load_leanings
from training.churn.horizon import horizon_of
from training.churn.snapshots import Horizon, active_customers, load_snapshots
from training.dataset import load_dataset
from training.gate.history import load_facts, newcomers
from training.span import Span, span_of
from training.split import load_held_out

DAY = timedelta(days=1)
VISITOR, LATER, BUYER, OTHER = 1, 2, 3, 4
"""A visitor and a second one who turn out to be the buyer: before T, and after it."""


def identify(alias: int, customer: int, at: datetime) -> Event:
    made = purchase(customer, "", at, EventType.IDENTIFY)
    return msgspec.structs.replace(made, id=f"i-{alias}", item=None, alias=key(alias))


def robots(events: list[Event]) -> Iterator[Event]:
    """The same and more done by robots."""
    yield from events
    for number, one in enumerate(events):
        if one.type is not EventType.IDENTIFY:
            item = f"robot-{number}"
            yield msgspec.structs.replace(one, id=f"r-{number}", item=item, machine=True)


def told() -> list[Event]:
    """Each buys one thing before T and one after it."""
    before = [purchase(who, f"old-{who}", AT - 3 * DAY) for who in (VISITOR, LATER, BUYER, OTHER)]
    after = [purchase(who, f"new-{who}", AT + 3 * DAY) for who in (VISITOR, LATER, BUYER, OTHER)]
    known = [identify(VISITOR, BUYER, AT - DAY), identify(LATER, BUYER, AT + DAY)]
    return list(robots([*before, *after, *known]))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    lake.merge_events(event_table(told()))
    return lake


def test_the_matrix_is_of_persons_as_they_were_known() -> None:
    dataset = load_dataset(table(told()), Weighting(), AT)
    rows = {
        customer: [dataset.items[column] for column in dataset.matrix[[row]].indices]
        for row, customer in enumerate(dataset.customers)
    }
    assert rows == {
        key(LATER): ["old-2"],
        key(BUYER): ["old-1", "old-3"],
        key(OTHER): ["old-4"],
    }


def test_judging_asks_as_it_was_known_and_counts_what_was_bought_in_truth() -> None:
    held_out = load_held_out(table(told()), AT, UNTIL)
    wanted = dict(zip(held_out.customers, held_out.targets, strict=True))
    assert wanted == {key(BUYER): {"new-1", "new-2", "new-3"}, key(OTHER): {"new-4"}}
    assert not any(item.startswith("robot") for item in held_out.items)
    assert "old-1" in held_out.items
    assert "old-2" not in held_out.items


def test_labels_of_churn_are_those_of_persons(lake: Lake) -> None:
    horizon = Horizon(ahead=28 * DAY, active=28 * DAY)
    version = lake.version()
    found = load_snapshots(lake, [AT], horizon, version, lambda *_: None)[AT]
    churned = dict(zip(found.customers, found.churned.tolist(), strict=True))
    assert churned == {key(BUYER): False, key(OTHER): False}
    everybody = {key(LATER), key(BUYER), key(OTHER)}
    assert active_customers(lake, AT, 28 * DAY, version) == everybody
    later = AT + 20 * DAY
    assert active_customers(lake, later, 28 * DAY, version) == {key(BUYER), key(OTHER)}


def test_a_visitor_who_comes_back_as_a_customer_has_stayed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    known = identify(VISITOR, BUYER, AT - 9 * DAY)
    events = [purchase(VISITOR, "a", AT - DAY), purchase(VISITOR, "b", AT + DAY), known]
    lake.merge_events(event_table(events))
    found = load_snapshots(lake, [AT], Horizon(9 * DAY, 9 * DAY), lake.version(), lambda *_: None)
    assert (found[AT].customers, found[AT].churned.tolist()) == ((key(BUYER),), [False])


def test_gaps_between_purchases_are_those_of_persons(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    events = [purchase(VISITOR, "a", AT - 30 * DAY), purchase(BUYER, "b", AT - 20 * DAY)]
    lake.merge_events(event_table([*events, identify(VISITOR, BUYER, AT - 10 * DAY)]))
    span = Span(AT - 400 * DAY, AT + 60 * DAY, 60 * DAY, lake.version())
    assert horizon_of(lake, span, (None, None), None).ahead == 14 * DAY


def test_leanings_are_those_of_persons(lake: Lake) -> None:
    things = [("old-1", "tea"), ("old-2", "tea"), ("old-3", "cups"), ("robot-0", "robots")]
    lake.merge_items(item_table([Item(id=n, title=n, categories=(kind,)) for n, kind in things]))
    assert load_leanings(lake, AT, lake.version()).affinities == {
        key(LATER): {"tea": 1.0},
        key(BUYER): {"tea": 0.5, "cups": 0.5},
    }


def test_neither_span_nor_facts_nor_newcomers_are_of_robots(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    late = msgspec.structs.replace(purchase(OTHER, "robot", AT + 9 * DAY), machine=True)
    early = msgspec.structs.replace(purchase(OTHER, "old", AT - 99 * DAY), machine=True)
    events = [*told(), late, early]
    lake.merge_events(event_table(events))
    span = span_of(lake, DAY, FixedClock(AT + 20 * DAY))
    assert (span.first, span.end) == (AT - 3 * DAY, AT + 3 * DAY + timedelta(seconds=1))
    assert newcomers(table(events), AT) == {f"new-{n}" for n in (VISITOR, LATER, BUYER, OTHER)}
    facts = load_facts(table(events), AT + 20 * DAY)
    assert facts.interactions == 8
    assert "identify" not in facts.counts
