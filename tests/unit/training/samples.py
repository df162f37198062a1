"""A shop whose answers are evident: the checkerboard of implicit's own tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np

from features.engine import open_engine
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.profile import History, history_of
from features.tables import event_table
from serving.model.weighting import Weighting
from training.dataset import Dataset, load_dataset
from training.heldout import HeldOut, Wanted
from training.rows import starts_of
from training.split import load_held_out

SIZE = 12
AT = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = AT + timedelta(days=28)
WEIGHTING = Weighting(half_life_days=30)
KEYS = CustomerKeys(b"a secret that only tests may know")


def outside_id(number: int) -> str:
    """How the shop knows a customer."""
    return f"person-{number:04}@example.org"


def key(number: int) -> str:
    """How we know the same one."""
    return KEYS.resolve(outside_id(number))


def purchase(customer: int, item: str, at: datetime, kind: EventType = EventType.PURCHASE) -> Event:
    """One event; its id says it all."""
    name = f"{kind}-{customer}-{item}-{at.isoformat()}"
    return Event(id=name, type=kind, customer=key(customer), occurred_at=at, item=item)


def checkerboard(size: int = SIZE) -> Iterator[Event]:
    """Customer c buys the items of c's own parity, but item c only after T.

    So a model that learned anything shows c the item c, of all items that c does not own.
    """
    for customer in range(size):
        for item in range(customer % 2, size, 2):
            when = AT + timedelta(days=1) if item == customer else AT - timedelta(days=item + 1)
            yield purchase(customer, f"item-{item:02}", when)


def table(events: Iterable[Event]) -> ibis.Table:
    """Events as the lake gives them."""
    con = open_engine(memory="256MB")
    con.con.register("events", event_table(events))
    return con.table("events")


def checkerboard_dataset() -> Dataset:
    """The checkerboard before T."""
    return load_dataset(table(checkerboard()), WEIGHTING, AT, lake_version=7)


def checkerboard_held_out() -> HeldOut:
    """The checkerboard after T."""
    return load_held_out(table(checkerboard()), AT, UNTIL)


def histories_before(events: Iterable[Event], at: datetime) -> dict[str, History]:
    """What each customer did before a moment, folded as profiles are."""
    of_each: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.occurred_at < at:
            of_each[event.customer].append(event)
    return {customer: history_of(those) for customer, those in of_each.items()}


def with_targets(held_out: HeldOut, targets: Sequence[Mapping[str, float]]) -> HeldOut:
    """The same customers, who bought these items after T instead: item → spend, one a customer."""
    items = tuple(sorted({*held_out.items, *(item for of in targets for item in of)}))
    number = {item: place for place, item in enumerate(items)}
    renumbered = np.array([number[item] for item in held_out.items], np.int32)
    bought = [(n, number[i], spend) for n, of in enumerate(targets) for i, spend in of.items()]
    customers, places, spends = (np.array(column) for column in zip(*sorted(bought), strict=True))
    return replace(
        held_out,
        items=items,
        seen=replace(held_out.seen, items=renumbered[held_out.seen.items]),
        traded=replace(held_out.traded, items=renumbered[held_out.traded.items]),
        wanted=Wanted(starts_of(customers, len(targets)), places.astype(np.int32), spends),
    )
