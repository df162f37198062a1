"""Season: whether the customer bought in these weeks a year before."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from features import columns as c
from features.definitions.window import MONTH, QUARTER, before, of_type, within
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = ("year_ago_days_28d", "year_ago_days_91d")

YEAR: Final = 364
"""Days; 52 whole weeks, so that weekdays are the same."""


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Distinct UTC days with a purchase in the weeks from a year before this moment on; 0 without.

    Who buys for Christmas buys for Christmas again, however long ago the last one is.
    """
    past = before(events, as_of)
    purchase = of_type(past, EventType.PURCHASE)
    spans = {days: within(past, as_of, days, skip=YEAR - days) for days in (MONTH, QUARTER)}
    return past.group_by(c.CUSTOMER).aggregate(
        **{
            f"year_ago_days_{days}d": past[c.DATE].nunique(where=purchase & span)
            for days, span in spans.items()
        }
    )
