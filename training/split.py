"""Reads held-out time from the lake, and folds it into columns as profiles fold it into objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features import columns as c
from features.errors import NotEnoughData
from features.event import EventType
from features.persons import persons
from features.profile import MAX_INTERACTIONS, MAX_OWNED, event_digest
from serving.model.basket import KINDS
from training.dataset import MIN_CUSTOMERS, seconds_of
from training.heldout import NEVER, HeldOut, Seen, Traded, Wanted, number_of, spread
from training.rows import starts_of

if TYPE_CHECKING:
    import ibis

Numbers = NDArray[np.int64]


def load_held_out(
    events: ibis.Table, at: datetime, until: datetime, *, most: int | None = None
) -> HeldOut:
    """Those who did something before `at` and bought something in [at, until).

    What they did is what was known to be theirs at `at`; what they bought is what is known at
    `until`, for that is the truth.

    Args:
        events: The lake's events.
        at: T, aware.
        until: T + H, aware.
        most: Of these customers, evenly spread over their keys; all when None.

    Raises:
        NotEnoughData: Nobody did both, or one customer only; the message counts them.
    """
    later = persons(events, until)
    bought = later.filter(
        later[c.OCCURRED_AT] >= at, later[c.TYPE] == EventType.PURCHASE.value
    ).select(c.CUSTOMER, c.ITEM, c.VALUE)
    after = bought.to_pyarrow()
    seen = persons(events, at).semi_join(bought, c.CUSTOMER)
    known = seen.select(c.CUSTOMER).distinct().to_pyarrow()
    customers: list[str] = sorted(known.column(c.CUSTOMER).to_pylist())
    if len(customers) < MIN_CUSTOMERS:
        message = (
            f"{len(pc.unique(after.column(c.CUSTOMER)))} customers bought from {at.isoformat()} to "
            f"{until.isoformat()}, {len(customers)} of them with history before: judging needs at "
            f"least {MIN_CUSTOMERS}; choose another time or import more history"
        )
        raise NotEnoughData(message)
    if most is not None and len(customers) > most:
        customers = [customers[place] for place in spread(len(customers), most)]
        seen = seen.filter(seen[c.CUSTOMER].isin(customers))
    # A slate that was served is no doing of the customer's: histories leave it out too.
    told = seen.filter(seen[c.ITEM].notnull(), seen[c.TYPE] != EventType.SLATE_SERVED.value)
    before = told.select(c.CUSTOMER, c.ID, c.TYPE, c.OCCURRED_AT, c.ITEM).to_pyarrow()
    after = after.filter(pc.is_in(after.column(c.CUSTOMER), pa.array(customers)))
    items = sorted({*_names(before, c.ITEM), *_names(after, c.ITEM)})
    past = _past(before, customers, items)
    return HeldOut(
        at=at,
        until=until,
        customers=tuple(customers),
        items=tuple(items),
        seen=_seen(past, before.column(c.ID)),
        traded=_traded(past),
        wanted=_wanted(after, customers, items),
    )


@dataclass(frozen=True, eq=False)
class _Past:
    """Events with an item, in no order; each array (events,).

    Attributes:
        customers: Number of the customer.
        items: Number of the item.
        kinds: Place in `KINDS`.
        times: Seconds since 1970.
        sizes: How many customers and items there are.
    """

    customers: Numbers
    items: Numbers
    kinds: Numbers
    times: Numbers
    sizes: tuple[int, int]

    def latest(self, kind: EventType) -> tuple[Numbers, Numbers]:
        """Cells of the items that each customer did this with most recently, and when last.

        A cell is customer * items + item; at most `MAX_OWNED` a customer, ties to the greater name.
        """
        done = self.kinds == number_of(kind)
        cells = self.customers[done] * self.sizes[1] + self.items[done]
        order = np.lexsort((self.times[done], cells))
        last = order[np.flatnonzero(np.diff(cells[order], append=-1))]
        cells, times = cells[last], self.times[done][last]
        # Names and their numbers are in the same order.
        order = np.lexsort((cells, times, cells // self.sizes[1]))
        kept = np.sort(order[_last(cells[order] // self.sizes[1], self.sizes[0], MAX_OWNED)])
        return cells[kept], times[kept]


def _past(table: pa.Table, customers: Sequence[str], items: Sequence[str]) -> _Past:
    return _Past(
        customers=_numbered(table.column(c.CUSTOMER), customers),
        items=_numbered(table.column(c.ITEM), items),
        kinds=_numbered(table.column(c.TYPE), [kind.value for kind in KINDS]),
        times=seconds_of(table.column(c.OCCURRED_AT)),
        sizes=(len(customers), len(items)),
    )


def _seen(past: _Past, ids: pa.ChunkedArray) -> Seen:
    """The `MAX_INTERACTIONS` most recent of each customer."""
    order = np.lexsort((_tied(past, ids), past.times, past.customers))
    kept = order[_last(past.customers[order], past.sizes[0], MAX_INTERACTIONS)]
    return Seen(
        starts_of(past.customers[kept], past.sizes[0]),
        past.items[kept].astype(np.int32),
        past.kinds[kept].astype(np.uint8),
        past.times[kept],
    )


def _tied(past: _Past, ids: pa.ChunkedArray) -> NDArray[np.uint64]:
    """What tells apart the events of one second, as histories do, where one of them must go.

    A digest of each id is dear; few customers have so many events that it matters.
    """
    digests = np.zeros(len(past.times), np.uint64)
    order = np.lexsort((past.times, past.customers))
    starts = starts_of(past.customers[order], past.sizes[0])
    long = np.flatnonzero(np.diff(starts) > MAX_INTERACTIONS)
    edges = np.full(past.sizes[0], -1)
    edges[long] = past.times[order[starts[long + 1] - MAX_INTERACTIONS]]
    tied = np.flatnonzero(past.times == edges[past.customers])
    digests[tied] = [event_digest(name) for name in ids.take(pa.array(tied)).to_pylist()]
    return digests


def _traded(past: _Past) -> Traded:
    bought, returned = past.latest(EventType.PURCHASE), past.latest(EventType.RETURN)
    cells = np.union1d(bought[0], returned[0])
    moments = np.full((2, len(cells)), NEVER)
    for row, (known, times) in zip(moments, (bought, returned), strict=True):
        row[np.searchsorted(cells, known)] = times
    return Traded(
        starts_of(cells // past.sizes[1], past.sizes[0]),
        (cells % past.sizes[1]).astype(np.int32),
        *moments,
    )


def _wanted(table: pa.Table, customers: Sequence[str], items: Sequence[str]) -> Wanted:
    """Each item that a customer bought, with the sum of its lines."""
    cells = _numbered(table.column(c.CUSTOMER), customers) * len(items)
    cells += _numbered(table.column(c.ITEM), items)
    paid = pc.fill_null(table.column(c.VALUE), 0.0).to_numpy()
    # In one order always, so that sums are the same to the bit.
    order = np.lexsort((paid, cells))
    firsts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    cells = cells[order][firsts]
    return Wanted(
        starts_of(cells // len(items), len(customers)),
        (cells % len(items)).astype(np.int32),
        np.add.reduceat(paid[order], firsts),
    )


def _last(customers: Numbers, count: int, most: int) -> NDArray[np.bool_]:
    """Which rows are among the last so many of their customer; customers ascend."""
    ends = starts_of(customers, count)[1:]
    kept: NDArray[np.bool_] = np.arange(len(customers)) >= ends[customers] - most
    return kept


def _numbered(column: pa.ChunkedArray, names: Sequence[str]) -> Numbers:
    """The place of each value among the names."""
    places = pc.index_in(column, value_set=pa.array(names, column.type))
    return np.asarray(places.to_numpy(), np.int64)


def _names(table: pa.Table, column: str) -> list[str]:
    """The distinct values of a column."""
    names: list[str] = pc.unique(table.column(column)).to_pylist()
    return names
