"""Replenishment: what the customer is due to buy again, by a rhythm of purchases."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import ibis

from features import columns as c
from features.definitions.window import DAY_SECONDS, before, day_number, of_type
from features.event import EventType

if TYPE_CHECKING:
    from ibis.expr.types import StringValue

CATEGORY: Final = "category"
TIMES: Final = "times"
GAP: Final = "gap_days"
SINCE: Final = "since_days"
COLUMNS: Final = (c.CUSTOMER, c.ITEM, CATEGORY, TIMES, GAP, SINCE)

OWN_DAYS: Final = 4
"""Days with a purchase from which on a customer's own rhythm counts: three gaps."""
REBUYERS: Final = 20
"""Customers who bought a thing again, from which on its typical rhythm counts."""
REBOUGHT: Final = 0.5
"""Share of its buyers who must have bought it again: a thing that is used up."""
LATEST: Final = 1.5
"""Gaps since the last purchase after which it is no longer due: bought elsewhere, or given up."""

_WHO = "who"
_THING = "thing"
_DAY = "day"
_FIRST, _LAST = "first", "last"
_TYPICAL = "typical"
_MARK = "category\n"


def due(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:
    """The one thing that each customer is most surely due to buy again; no row where none is.

    It is due from one to `LATEST` gaps after the last day on which the customer bought it. The gap
    of an item is the customer's own mean one after `OWN_DAYS` days with a purchase, else the mean
    over all who bought it again, if it is one that is used up. Who is due for no item may be due
    for a narrowest category, by their own gap. Of several, what was bought on most days.

    Args:
        events: Best a table in the engine: it is read several times.
        items: The catalogue; what is not in it is never due.
        as_of: T, aware.

    Returns:
        `COLUMNS`: the customer, the item or the category (the other is null), days with a purchase
        of it, the gap and the time since the last one in days.
    """
    past = before(events, as_of)
    bought = past.filter(of_type(past, EventType.PURCHASE))
    today = int(as_of.timestamp()) // DAY_SECONDS
    days = _days(bought, items)
    rhythms = _rhythms(days)
    of_items = _first(_ready(rhythms.left_join(_typical(rhythms), _THING), today))
    groups = _rhythms(_grouped(days.anti_join(of_items, _WHO), items))
    of_groups = _first(_ready(groups.mutate(**{_TYPICAL: ibis.null("float64")}), today))
    customers = bought.select(c.CUSTOMER).distinct().mutate(**{_WHO: ibis._[c.CUSTOMER].hash()})
    both = of_items.union(of_groups)
    return both.inner_join(_names(items), _THING).inner_join(customers, _WHO).select(*COLUMNS)


def _days(bought: ibis.Table, items: ibis.Table) -> ibis.Table:
    """On which day each customer bought which item.

    Customers and things are 64-bit digests: grouping numbers is several times as fast as grouping
    text, and a million names share one by chance three times in a hundred million.
    """
    days = bought.select(
        **{_WHO: bought[c.CUSTOMER].hash(), _THING: bought[c.ITEM].hash(), _DAY: day_number(bought)}
    )
    return days.semi_join(items.select(**{_THING: items[c.ID].hash()}), _THING).distinct()


def _grouped(days: ibis.Table, items: ibis.Table) -> ibis.Table:
    """On which day each customer bought of which narrowest category."""
    groups = items.select(one=items[c.ID].hash(), group=_group(items).hash())
    placed = days.inner_join(groups, days[_THING] == groups.one)
    return placed.select(_WHO, placed.group.name(_THING), _DAY).distinct()


def _group(items: ibis.Table) -> StringValue:
    """The narrowest category, marked so that no item is called the same; null without one."""
    return ibis.literal(_MARK) + items[c.CATEGORIES][items[c.CATEGORIES].length() - 1]


def _names(items: ibis.Table) -> ibis.Table:
    """What each thing is called: as an item, or as a category."""
    nothing, group = ibis.null("string"), _group(items)
    name = group.substr(len(_MARK))
    one = items.select(**{_THING: items[c.ID].hash(), c.ITEM: items[c.ID], CATEGORY: nothing})
    kind = items.select(**{_THING: group.hash(), c.ITEM: nothing, CATEGORY: name}).distinct()
    return one.union(kind.filter(kind[CATEGORY].notnull()))


def _rhythms(days: ibis.Table) -> ibis.Table:
    """Of each customer and thing: days with a purchase, the first of them and the last."""
    return days.aggregate(
        by=[_WHO, _THING],
        **{TIMES: ibis._.count(), _FIRST: ibis._[_DAY].min(), _LAST: ibis._[_DAY].max()},
    )


def _typical(rhythms: ibis.Table) -> ibis.Table:
    """The mean gap of each thing that is used up, over all who bought it again."""
    again = (rhythms[TIMES] > 1).cast("int64").sum()
    gap = (rhythms[_LAST] - rhythms[_FIRST]).sum() / (rhythms[TIMES] - 1).sum()
    found = rhythms.aggregate(by=_THING, **{_TYPICAL: gap}, buyers=rhythms.count(), again=again)
    used_up = found.filter(found.again >= REBUYERS, found.again >= REBOUGHT * found.buyers)
    return used_up.select(_THING, _TYPICAL)


def _ready(rhythms: ibis.Table, today: int) -> ibis.Table:
    """What is due of each customer, with its gap."""
    own = (rhythms[_LAST] - rhythms[_FIRST]) / (rhythms[TIMES] - 1).nullif(0)
    timed = rhythms.select(
        _WHO,
        _THING,
        TIMES,
        **{
            GAP: ibis.ifelse(rhythms[TIMES] >= OWN_DAYS, own, rhythms[_TYPICAL]),
            SINCE: (today - rhythms[_LAST]).cast("float64"),
        },
    )
    return timed.filter(timed[SINCE] >= timed[GAP], timed[SINCE] <= LATEST * timed[GAP])


def _first(ready: ibis.Table) -> ibis.Table:
    """Of each customer the thing that was bought on most days; of several, always the same."""
    order = [ready[TIMES].desc(), ready[_THING]]
    placed = ready.mutate(place=ibis.row_number().over(group_by=_WHO, order_by=order))
    return placed.filter(placed.place == 0).drop("place")
