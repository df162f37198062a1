"""Held-out time: what each customer had done before T, and bought after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from features import columns as c
from features.errors import NotEnoughData
from features.event import Event, EventType
from features.profile import History, history_of
from training.dataset import MIN_CUSTOMERS, seconds_of

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Customers with history before T and a target after it: what models are judged on.

    Attributes:
        at: T, aware.
        until: T + H, aware.
        customers: Customer keys, ascending.
        histories: What each did strictly before T, folded as profiles are.
        targets: Items that each bought in [T, T + H).
    """

    at: datetime
    until: datetime
    customers: tuple[str, ...]
    histories: tuple[History, ...]
    targets: tuple[frozenset[str], ...]


def load_held_out(
    events: ibis.Table, at: datetime, until: datetime, *, most: int | None = None
) -> HeldOut:
    """Those who did something before `at` and bought something in [at, until).

    Args:
        events: The lake's events.
        at: T, aware.
        until: T + H, aware.
        most: Of these customers, evenly spread over their keys; all when None.

    Raises:
        NotEnoughData: Nobody did both, or one customer only; the message counts them.
    """
    bought = events.filter(
        events[c.OCCURRED_AT] >= at,
        events[c.OCCURRED_AT] < until,
        events[c.TYPE] == EventType.PURCHASE.value,
    ).select(c.CUSTOMER, c.ITEM)
    targets = _targets(bought)
    seen = events.filter(events[c.OCCURRED_AT] < at).semi_join(bought, c.CUSTOMER)
    known = seen.select(c.CUSTOMER).distinct().to_pyarrow()
    customers: list[str] = sorted(known.column(c.CUSTOMER).to_pylist())
    if len(customers) < MIN_CUSTOMERS:
        message = (
            f"{len(targets)} customers bought from {at.isoformat()} to {until.isoformat()}, "
            f"{len(customers)} of them with history before: judging needs at least "
            f"{MIN_CUSTOMERS}; choose another time or import more history"
        )
        raise NotEnoughData(message)
    if most is not None and len(customers) > most:
        customers = [customers[place] for place in _spread(len(customers), most)]
        seen = seen.filter(seen[c.CUSTOMER].isin(customers))
    histories = load_histories(seen, at)
    return HeldOut(
        at=at,
        until=until,
        customers=tuple(customers),
        histories=tuple(histories[customer] for customer in customers),
        targets=tuple(frozenset(targets[customer]) for customer in customers),
    )


def thinned(held_out: HeldOut, most: int) -> HeldOut:
    """At most so many of the customers, evenly spread over their keys."""
    kept = _spread(len(held_out.customers), most)
    return replace(
        held_out,
        customers=tuple(held_out.customers[n] for n in kept),
        histories=tuple(held_out.histories[n] for n in kept),
        targets=tuple(held_out.targets[n] for n in kept),
    )


def load_histories(events: ibis.Table, as_of: datetime) -> dict[str, History]:
    """What each customer did strictly before `as_of`, folded as profiles are.

    Args:
        events: The lake's events.
        as_of: T, aware.

    Returns:
        Customer key → history, in the order of keys.
    """
    seen = events.filter(events[c.OCCURRED_AT] < as_of)
    needed = seen.select(c.CUSTOMER, c.ID, c.TYPE, c.OCCURRED_AT, c.ITEM, c.QUANTITY)
    table = needed.order_by(c.CUSTOMER).to_pyarrow()
    return {customer: history_of(_events(part)) for customer, part in _by_customer(table)}


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the places 0 to `count` - 1, evenly spread."""
    places: list[int] = np.linspace(0, count - 1, min(count, most)).astype(int).tolist()
    return places


def _targets(bought: ibis.Table) -> dict[str, set[str]]:
    """Customer key → items bought."""
    table = bought.distinct().to_pyarrow()
    targets: dict[str, set[str]] = {}
    columns = (table.column(name).to_pylist() for name in (c.CUSTOMER, c.ITEM))
    for customer, item in zip(*columns, strict=True):
        targets.setdefault(customer, set()).add(item)
    return targets


def _by_customer(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each customer of a table that is in the order of customers."""
    if not table.num_rows:
        return
    column = table.column(c.CUSTOMER).combine_chunks().dictionary_encode()
    numbers = column.indices.to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
        yield column.dictionary[numbers[start]].as_py(), table.slice(start, end - start)


def _events(table: pa.Table) -> Iterator[Event]:
    """The events of one customer, with all that a history reads."""
    # Whole seconds are all that a history keeps of a moment, and far cheaper to read.
    seconds = seconds_of(table.column(c.OCCURRED_AT)).tolist()
    names = (c.ID, c.TYPE, c.CUSTOMER, c.ITEM, c.QUANTITY)
    values = [table.column(name).to_pylist() for name in names]
    kinds = {kind.value: kind for kind in EventType}  # ten times as fast as to call the enum
    for at, (name, kind, customer, item, quantity) in zip(
        seconds, zip(*values, strict=True), strict=True
    ):
        yield Event(
            id=name,
            type=kinds[kind],
            customer=customer,
            occurred_at=datetime.fromtimestamp(at, UTC),
            item=item,
            quantity=quantity,
        )
