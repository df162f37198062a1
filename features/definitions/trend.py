"""Trend: whether the customer buys more or less than before."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

from features import columns as c
from features.definitions.window import MONTH, QUARTER, before, of_type, within
from features.event import EventType

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import NumericValue

NAMES = ("trend_28d", "trend_91d", "spend_trend_91d")


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """The last span against the one before it: (now − then) / (now + then), from −1 to 1.

    Of purchase days over 28 and 91 days, and of money over 91 days; 0 where both spans are empty.
    """
    past = before(events, as_of)
    purchase = of_type(past, EventType.PURCHASE)
    value = past[c.VALUE].fill_null(0.0)
    found = {}
    for days in (MONTH, QUARTER):
        for name, skip in (("now", 0), ("then", days)):
            span = purchase & within(past, as_of, days, skip=skip)
            found[f"{name}_{days}"] = past[c.DATE].nunique(where=span)
            found[f"{name}_spend_{days}"] = value.sum(where=span).fill_null(0.0)
    sums = past.group_by(c.CUSTOMER).aggregate(**found)
    return sums.select(
        c.CUSTOMER,
        trend_28d=_change(sums.now_28, sums.then_28),
        trend_91d=_change(sums.now_91, sums.then_91),
        spend_trend_91d=_change(sums.now_spend_91, sums.then_spend_91),
    )


def _change(now: NumericValue, then: NumericValue) -> NumericValue:
    return cast("NumericValue", ((now - then) / (now + then).nullif(0)).fill_null(0.0))
