"""Frequency: how often the customer buys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from features import columns as c
from features.definitions.window import MONTH, QUARTER, before, of_type, within
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = (
    "purchase_days",
    "purchase_days_28d",
    "purchase_days_91d",
    "purchases",
    "purchases_91d",
    "items_bought",
)


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Distinct UTC days with a purchase, purchase events, and distinct items; 0 where none.

    Days rather than events, since one basket is as many events as it has lines.
    """
    past = before(events, as_of)
    purchase = of_type(past, EventType.PURCHASE)
    month = purchase & within(past, as_of, MONTH)
    quarter = purchase & within(past, as_of, QUARTER)
    return past.group_by(c.CUSTOMER).aggregate(
        purchase_days=past[c.DATE].nunique(where=purchase),
        purchase_days_28d=past[c.DATE].nunique(where=month),
        purchase_days_91d=past[c.DATE].nunique(where=quarter),
        purchases=purchase.cast("int64").sum(),
        purchases_91d=quarter.cast("int64").sum(),
        items_bought=past[c.ITEM].nunique(where=purchase),
    )
