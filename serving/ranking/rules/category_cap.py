"""At most so many items of the same narrowest category."""

from __future__ import annotations

from serving.ranking.rules.pool import Mask, Pool, below_cap
from serving.ranking.top import Rows


def category_cap(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """Those whose category has not as many places as the block allows; or that are of none."""
    cap = pool.block.category_cap or 1
    return below_cap(pool.view.category[pool.rows], chosen, able, cap)
