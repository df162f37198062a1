"""Recency: how long ago the customer was last heard of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from features import columns as c
from features.definitions.window import before, days_since, of_type
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = ("recency_days", "activity_recency_days")

_BY_THE_CUSTOMER = (
    EventType.VIEW,
    EventType.CART,
    EventType.PURCHASE,
    EventType.RETURN,
    EventType.SEARCH,
    EventType.EMAIL_OPEN,
    EventType.EMAIL_CLICK,
)


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Days since the last purchase, and since anything that the customer did.

    Where there was none, the days since the first event of any kind: it is at least that long.
    """
    past = before(events, as_of)
    moment = past[c.OCCURRED_AT]
    first = moment.min()
    bought = moment.max(where=of_type(past, EventType.PURCHASE))
    active = moment.max(where=of_type(past, *_BY_THE_CUSTOMER))
    return past.group_by(c.CUSTOMER).aggregate(
        recency_days=days_since(bought.fill_null(first), as_of),
        activity_recency_days=days_since(active.fill_null(first), as_of),
    )
