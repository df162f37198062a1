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


def due(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:
    """The one thing that each customer is most surely due to buy again; no row where none is.

    A thing is an item of the catalogue, or a narrowest category. It is due from one to `LATEST`
    gaps after the last day on which the customer bought it. The gap is the customer's own mean one
    after `OWN_DAYS` days with a purchase, else the mean over all who bought the thing again, if it
    is one that is used up. Items come before categories, then what was bought on most days.

    Args:
        events: Best a table in the engine: it is read several times.
        items: The catalogue.
        as_of: T, aware.

    Returns:
        `COLUMNS`: the customer, the item or the category (the other is null), days with a purchase
        of it, the gap and the time since the last one in days.
    """
    past = before(events, as_of)
    bought = past.filter(of_type(past, EventType.PURCHASE))
    names = _names(items)
    rhythms = _rhythms(_days(bought, items))
    ready = _ready(rhythms, int(as_of.timestamp()) // DAY_SECONDS)
    customers = bought.select(c.CUSTOMER).distinct().mutate(**{_WHO: ibis._[c.CUSTOMER].hash()})
    named = ready.inner_join(names, _THING).inner_join(customers, _WHO)
    order = [named[CATEGORY].notnull(), named[TIMES].desc(), named[c.ITEM], named[CATEGORY]]
    place = ibis.row_number().over(group_by=c.CUSTOMER, order_by=order)
    return named.mutate(place=place).filter(ibis._.place == 0).select(*COLUMNS)


def _names(items: ibis.Table) -> ibis.Table:
    """What each thing is called: as an item, or as a category."""
    nothing = ibis.null("string")
    narrowest = _narrowest(items)
    one = items.select(
        **{_THING: items[c.ID].hash(), c.ITEM: items[c.ID], CATEGORY: nothing},
    )
    group = items.select(
        **{_THING: _marked(narrowest).hash(), c.ITEM: nothing, CATEGORY: narrowest},
    ).distinct()
    return one.union(group.filter(group[CATEGORY].notnull()))


def _narrowest(items: ibis.Table) -> StringValue:
    return items[c.CATEGORIES][items[c.CATEGORIES].length() - 1]


def _marked(category: StringValue) -> StringValue:
    """A category's name as no item is called."""
    return ibis.literal("category\n") + category


def _days(bought: ibis.Table, items: ibis.Table) -> ibis.Table:
    """On which day each customer bought which thing.

    Customers and things are 64-bit digests: grouping numbers is several times as fast as grouping
    text, and a million names share one by chance three times in a hundred million.
    """
    by_item = bought.select(
        **{_WHO: bought[c.CUSTOMER].hash(), _THING: bought[c.ITEM].hash(), _DAY: day_number(bought)}
    ).distinct()
    groups = items.select(one=items[c.ID].hash(), group=_marked(_narrowest(items)).hash())
    placed = by_item.inner_join(groups, by_item[_THING] == groups.one)
    return by_item.union(placed.select(_WHO, placed.group.name(_THING), _DAY).distinct())


def _rhythms(days: ibis.Table) -> ibis.Table:
    """Of each customer and thing: days with a purchase, the first of them and the last."""
    return days.aggregate(
        by=[_WHO, _THING],
        **{TIMES: ibis._.count(), _FIRST: ibis._[_DAY].min(), _LAST: ibis._[_DAY].max()},
    )


def _typical(rhythms: ibis.Table) -> ibis.Table:
    """The mean gap of each thing that is used up, over all who bought it again."""
    again = (rhythms[TIMES] > 1).cast("int64").sum()
    found = rhythms.aggregate(
        by=_THING,
        buyers=rhythms.count(),
        again=again,
        typical=(rhythms[_LAST] - rhythms[_FIRST]).sum() / (rhythms[TIMES] - 1).sum(),
    )
    return found.filter(found.again >= REBUYERS, found.again >= REBOUGHT * found.buyers)


def _ready(rhythms: ibis.Table, today: int) -> ibis.Table:
    """What is due of each customer, with its gap."""
    typical = _typical(rhythms)
    joined = rhythms.left_join(typical, _THING)
    own = (joined[_LAST] - joined[_FIRST]) / (joined[TIMES] - 1).nullif(0)
    timed = joined.select(
        _WHO,
        _THING,
        TIMES,
        **{
            GAP: ibis.ifelse(joined[TIMES] >= OWN_DAYS, own, joined.typical),
            SINCE: (today - joined[_LAST]).cast("float64"),
        },
    )
    return timed.filter(timed[SINCE] >= timed[GAP], timed[SINCE] <= LATEST * timed[GAP])
