"""Inter-purchase time: the customer's own rhythm, and how far behind it the customer is."""

from __future__ import annotations

from datetime import datetime

import ibis

from features import columns as c
from features.definitions.window import DAY_SECONDS, before, day_number, of_type
from features.event import EventType

NAMES = ("gap_mean_days", "gap_std_days", "gap_max_days", "gap_now_ratio")
_DAY = "day"
_GAP = "gap"


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Mean, population standard deviation and maximum of the days between purchase days.

    `gap_now_ratio` is the days since the last purchase day over the mean gap: above 1 is late.
    All are 0 for customers with fewer than two purchase days, who have no gap yet.
    """
    past = before(events, as_of)
    bought = past.filter(of_type(past, EventType.PURCHASE))
    days = bought.select(c.CUSTOMER, **{_DAY: day_number(bought)}).distinct()
    order = ibis.window(group_by=c.CUSTOMER, order_by=_DAY)
    gaps = days.mutate(**{_GAP: days[_DAY] - days[_DAY].lag().over(order)})
    today = int(as_of.timestamp()) // DAY_SECONDS
    found = gaps.group_by(c.CUSTOMER).aggregate(
        mean=gaps[_GAP].mean(),
        std=gaps[_GAP].std(how="pop"),
        longest=gaps[_GAP].max(),
        now=today - gaps[_DAY].max(),
    )
    everyone = past.select(c.CUSTOMER).distinct()
    joined = everyone.left_join(found, c.CUSTOMER)
    return joined.select(
        everyone[c.CUSTOMER],
        gap_mean_days=joined["mean"].fill_null(0.0),
        gap_std_days=joined["std"].fill_null(0.0),
        gap_max_days=joined["longest"].fill_null(0),
        gap_now_ratio=(joined["now"] / joined["mean"]).fill_null(0.0),
    )
