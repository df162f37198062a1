"""Monetary value: what the customer spends."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from features import columns as c
from features.definitions.window import MONTH, QUARTER, before, of_type, within
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = ("spend", "spend_28d", "spend_91d", "spend_per_purchase_day", "returned_share")


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Money spent on purchases, less nothing; and the share of it that returns paid back.

    Events without a value count as 0, and so does everything of a customer who never bought.
    Amounts are added as they are: a shop with several currencies converts them in its mapping.
    """
    past = before(events, as_of)
    purchase = of_type(past, EventType.PURCHASE)
    value = past[c.VALUE].fill_null(0.0)
    sums = past.group_by(c.CUSTOMER).aggregate(
        spend=value.sum(where=purchase).fill_null(0.0),
        spend_28d=value.sum(where=purchase & within(past, as_of, MONTH)).fill_null(0.0),
        spend_91d=value.sum(where=purchase & within(past, as_of, QUARTER)).fill_null(0.0),
        returned=value.sum(where=of_type(past, EventType.RETURN)).fill_null(0.0),
        days=past[c.DATE].nunique(where=purchase),
    )
    return sums.select(
        c.CUSTOMER,
        "spend",
        "spend_28d",
        "spend_91d",
        spend_per_purchase_day=(sums.spend / sums.days.nullif(0)).fill_null(0.0),
        returned_share=(sums.returned / sums.spend.nullif(0.0)).fill_null(0.0),
    )
