"""Category affinity: how the customer's purchases spread over the broadest categories."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from features import columns as c
from features.definitions.window import before, of_type
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = ("category_count", "category_top_share", "category_entropy")
_CATEGORY = "category"


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:
    """Distinct first categories bought, the share of the most bought, and Shannon's entropy.

    Shares are of purchase events whose item has a category in the catalogue; entropy is in nats
    (Shannon 1948). All are 0 for customers with no such purchase.
    """
    past = before(events, as_of)
    bought = past.filter(of_type(past, EventType.PURCHASE))
    categories = items.select(item_id=items[c.ID], **{_CATEGORY: items[c.CATEGORIES][0]})
    placed = bought.inner_join(categories, bought[c.ITEM] == categories.item_id)
    counted = (
        placed.filter(placed[_CATEGORY].notnull())
        .group_by([c.CUSTOMER, _CATEGORY])
        .aggregate(lambda rows: rows.count().name("n"))
    )
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
