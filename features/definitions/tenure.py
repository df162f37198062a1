"""Tenure: how long the customer has been one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from features import columns as c
from features.definitions.window import before, days_since, of_type
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = ("tenure_days", "buying_days")


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Days since the first event, and since the first purchase; 0 for who never bought."""
    past = before(events, as_of)
    moment = past[c.OCCURRED_AT]
    bought = moment.min(where=of_type(past, EventType.PURCHASE))
    return past.group_by(c.CUSTOMER).aggregate(
        tenure_days=days_since(moment.min(), as_of),
        buying_days=days_since(bought, as_of).fill_null(0.0),
    )
