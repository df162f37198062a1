"""Category affinity: how the customer's purchases spread over the broadest categories."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import ibis

from features import columns as c
from features.definitions.window import before, of_type
from features.event import EventType

NAMES = ("category_count", "category_top_share", "category_entropy")
CATEGORY: Final = "category"
SHARE: Final = "share"


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:
    """Distinct first categories bought, the share of the most bought, and Shannon's entropy.

    Shares are of purchase events whose item has a category in the catalogue; entropy is in nats
    (Shannon 1948). All are 0 for customers with no such purchase.
    """
    past = before(events, as_of)
    counted = _counted(past, items)
    n = counted.n.cast("float64")
    spread = counted.group_by(c.CUSTOMER).aggregate(
        count=counted.count(),
        total=n.sum(),
        top=n.max(),
        n_ln_n=(n * n.ln()).sum(),
    )
    everyone = past.select(c.CUSTOMER).distinct()
    joined = everyone.left_join(spread, c.CUSTOMER)
    # Σ −p ln p with p = n / total, in one pass.
    entropy = joined["total"].ln() - joined["n_ln_n"] / joined["total"]
    return joined.select(
        everyone[c.CUSTOMER],
        category_count=joined["count"].fill_null(0),
        category_top_share=(joined["top"] / joined["total"]).fill_null(0.0),
        category_entropy=entropy.fill_null(0.0),
    )


def shares(events: ibis.Table, items: ibis.Table, as_of: datetime, most: int) -> ibis.Table:
    """The categories that each customer buys most of, and how much of it all they are.

    Args:
        events: Of any time.
        items: The catalogue.
        as_of: T, aware.
        most: Categories of a customer at the most.

    Returns:
        Customer, category and share as in `define`; in the order of customers, the greatest share
        first, then by name. No row for customers with no such purchase.
    """
    counted = _counted(before(events, as_of), items)
    order = [counted.n.desc(), counted[CATEGORY]]
    mine = ibis.window(group_by=c.CUSTOMER)
    placed = counted.mutate(
        place=ibis.row_number().over(group_by=c.CUSTOMER, order_by=order),
        **{SHARE: counted.n / counted.n.sum().over(mine)},
    )
    top = placed.filter(placed.place < most)
    return top.order_by(c.CUSTOMER, "place").select(c.CUSTOMER, CATEGORY, SHARE)


def _counted(past: ibis.Table, items: ibis.Table) -> ibis.Table:
    """Purchases `n` of each customer in each first category."""
    bought = past.filter(of_type(past, EventType.PURCHASE))
    categories = items.select(item_id=items[c.ID], **{CATEGORY: items[c.CATEGORIES][0]})
    placed = bought.inner_join(categories, bought[c.ITEM] == categories.item_id)
    return (
        placed.filter(placed[CATEGORY].notnull())
        .group_by([c.CUSTOMER, CATEGORY])
        .aggregate(lambda rows: rows.count().name("n"))
    )
