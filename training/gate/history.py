"""What the lake's history looks like, day by day: the facts that tell a broken feed.

Only whole UTC days count, so that a training at noon is not a collapse; the day of the latest event
is left out. What robots did is left out too: nothing is trained on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import ibis
import numpy as np
from numpy.typing import NDArray

from features import columns as c
from features.engine import declared, open_engine
from features.event import AHEAD, EventType
from features.lake import Lake
from features.persons import acts

if TYPE_CHECKING:
    import pyarrow as pa

DAYS: Final = 84
"""Whole days that are looked at."""
LATELY: Final = 28
"""Of these, the last that a feed may have spoilt."""
WEEK: Final = 7

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """Money of one unit over some purchases.

    Attributes:
        purchases: With a value and a quantity.
        typical: Geometric mean of value / quantity; NaN without one.
    """

    purchases: int
    typical: float


@dataclass(frozen=True, eq=False)
class HistoryFacts:
    """The last days of a history.

    Attributes:
        now: Of the clock, aware.
        last: The latest event that is not in the future, aware.
        ahead: Events later than any sender's clock may run.
        young: Whole days of history before the window's end, at most `DAYS`.
        counts: Event type → events of each whole day, int64 (DAYS,), the oldest first.
        interactions: Of the last `LATELY` days.
        repeated: Those of them that repeat another in everything but their id.
        customers: Who made them.
        top_customer: How many of them the busiest customer made.
        top_item: How many of them the busiest item got.
        broken: Purchases among them whose quantity or value is no sane number.
        price: Of purchases in the last week.
        price_before: Of purchases in the weeks before it.
    """

    now: datetime
    last: datetime
    ahead: int
    young: int
    counts: Mapping[str, Counts]
    interactions: int
    repeated: int
    customers: int
    top_customer: int
    top_item: int
    broken: int
    price: Prices
    price_before: Prices

    @property
    def total(self) -> Counts:
        """Events of all types of each day, (DAYS,)."""
        return sum(self.counts.values(), np.zeros(DAYS, np.int64))


def read_facts(lake: Lake, version: int, now: datetime) -> HistoryFacts:
    """The facts of a version of the lake's events.

    Raises:
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    engine = open_engine()
    with closing(engine.con), declared(lake.root):
        return load_facts(lake.events(engine, version), now)


def load_facts(events: ibis.Table, now: datetime) -> HistoryFacts:
    """The facts of events.

    Args:
        events: All of one version, on DuckDB; at least one of a person's before `now`.
        now: Aware, UTC.
    """
    events = acts(events)
    moment = events[c.OCCURRED_AT]
    ends = events.aggregate(
        first=moment.min(),
        last=moment.max(where=moment <= now),
        ahead=(moment > now + AHEAD).sum().fill_null(0),
    )
    [row] = ends.to_pyarrow().to_pylist()
    end = row["last"].date()
    window = events.filter(
        events[c.DATE] >= (end - timedelta(days=DAYS)).isoformat(),
        events[c.DATE] <= end.isoformat(),
        moment <= now,
    )
    lately = window.filter(window[c.DATE] >= (end - timedelta(days=LATELY)).isoformat())
    [seen] = _seen(lately).to_pyarrow().to_pylist()
    week = (end - timedelta(days=WEEK)).isoformat()
    return HistoryFacts(
        now=now,
        last=row["last"],
        ahead=int(row["ahead"]),
        young=min(DAYS, (end - row["first"].date()).days),
        counts=_daily(window, end),
        **{name: int(count or 0) for name, count in seen.items()},
        price=_prices(window.filter(window[c.DATE] >= week)),
        price_before=_prices(window.filter(window[c.DATE] < week)),
    )


def newcomers(events: ibis.Table, since: datetime) -> frozenset[str]:
    """Items that first came up at a moment or later; aware."""
    named = acts(events).filter(events[c.ITEM].notnull())
    firsts = named.group_by(c.ITEM).aggregate(first=named[c.OCCURRED_AT].min())
    late = firsts.filter(firsts.first >= since).select(c.ITEM).to_pyarrow()
    return frozenset(late.column(c.ITEM).to_pylist())


def _daily(window: ibis.Table, end: date) -> dict[str, Counts]:
    """Events of each type and whole day."""
    table: pa.Table = window.group_by([c.TYPE, c.DATE]).aggregate(n=window.count()).to_pyarrow()
    first = end - timedelta(days=DAYS)
    counts = {kind.value: np.zeros(DAYS, np.int64) for kind in EventType}
    for row in table.to_pylist():
        place = (date.fromisoformat(row[c.DATE]) - first).days
        if place < DAYS:
            counts[row[c.TYPE]][place] = row["n"]
    return {kind: daily for kind, daily in counts.items() if daily.any()}


def _seen(lately: ibis.Table) -> ibis.Table:
    """One row: what `HistoryFacts` says of the last interactions."""
    named = lately.filter(lately[c.ITEM].notnull())
    same = [c.CUSTOMER, c.TYPE, c.OCCURRED_AT, c.ITEM, c.QUANTITY, c.VALUE, c.SEND]
    by_customer, by_item = (
        named.group_by(name).aggregate(n=named.count()) for name in (c.CUSTOMER, c.ITEM)
    )
    distinct = named.select(same).distinct()
    everything = named.aggregate(interactions=named.count(), broken=_broken(named).sum())
    return (
        everything.cross_join(distinct.aggregate(kept=distinct.count()))
        .cross_join(
            by_customer.aggregate(customers=by_customer.count(), top_customer=by_customer.n.max())
        )
        .cross_join(by_item.aggregate(top_item=by_item.n.max()))
        .mutate(repeated=ibis._.interactions - ibis._.kept)
        .drop("kept")
    )


def _broken(table: ibis.Table) -> ibis.expr.types.BooleanColumn:
    """Which purchases have a quantity or a value that is no sane number."""
    quantity, value = table[c.QUANTITY], table[c.VALUE]
    unsound = (quantity <= 0) | quantity.isnan() | quantity.isinf()
    unpaid = (value < 0) | value.isnan() | value.isinf()
    return (table[c.TYPE] == EventType.PURCHASE.value) & (unsound | unpaid.fill_null(False))  # noqa: FBT003 - ibis's own


def _prices(table: ibis.Table) -> Prices:
    value, quantity = table[c.VALUE], table[c.QUANTITY]
    paid = table.filter(
        table[c.TYPE] == EventType.PURCHASE.value,
        (value > 0) & ~value.isinf() & ~value.isnan(),
        (quantity > 0) & ~quantity.isinf() & ~quantity.isnan(),
    )
    found = paid.aggregate(
        purchases=paid.count(), typical=(paid[c.VALUE] / paid[c.QUANTITY]).ln().mean().exp()
    )
    [row] = found.to_pyarrow().to_pylist()
    return Prices(row["purchases"], float("nan") if row["typical"] is None else row["typical"])
