"""Held-out time: what each customer had done before T, and bought after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


def load_held_out(events: ibis.Table, at: datetime, until: datetime) -> HeldOut:
    """Those who did something before `at` and bought something in [at, until).

    Args:
        events: The lake's events.
        at: T, aware.
        until: T + H, aware.

    Raises:
        NotEnoughData: Nobody did both, or one customer only; the message counts them.
    """
    bought = events.filter(
        events[c.OCCURRED_AT] >= at,
        events[c.OCCURRED_AT] < until,
        events[c.TYPE] == EventType.PURCHASE.value,
    ).select(c.CUSTOMER, c.ITEM)
    table = bought.distinct().to_pyarrow()
    targets: dict[str, set[str]] = {}
    for customer, item in zip(
        *(table.column(n).to_pylist() for n in table.schema.names), strict=True
    ):
        targets.setdefault(customer, set()).add(item)
    histories = load_histories(events, at, bought.select(c.CUSTOMER).distinct())
    customers = sorted(histories)
    if len(customers) < MIN_CUSTOMERS:
        message = (
            f"{len(targets)} customers bought from {at.isoformat()} to {until.isoformat()}, "
            f"{len(customers)} of them with history before: judging needs at least "
            f"{MIN_CUSTOMERS}; choose another time or import more history"
        )
        raise NotEnoughData(message)
    return HeldOut(
        at=at,
        until=until,
        customers=tuple(customers),
        histories=tuple(histories[customer] for customer in customers),
        targets=tuple(frozenset(targets[customer]) for customer in customers),
    )


def load_histories(
    events: ibis.Table, as_of: datetime, customers: ibis.Table | None = None
) -> dict[str, History]:
    """What each customer did strictly before `as_of`, folded as profiles are.

    Args:
        events: The lake's events.
        as_of: T, aware.
        customers: Only those in its column `customer`; everybody when None.

    Returns:
        Customer key → history, in the order of keys.
    """
    seen = events.filter(events[c.OCCURRED_AT] < as_of)
    if customers is not None:
        seen = seen.semi_join(customers, c.CUSTOMER)
    needed = seen.select(c.CUSTOMER, c.ID, c.TYPE, c.OCCURRED_AT, c.ITEM, c.QUANTITY)
    table = needed.order_by(c.CUSTOMER).to_pyarrow()
    return {customer: history_of(_events(part)) for customer, part in _by_customer(table)}


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
    for at, (name, kind, customer, item, quantity) in zip(
        seconds, zip(*values, strict=True), strict=True
    ):
        yield Event(
            id=name,
            type=EventType(kind),
            customer=customer,
            occurred_at=datetime.fromtimestamp(at, UTC),
            item=item,
            quantity=quantity,
        )
