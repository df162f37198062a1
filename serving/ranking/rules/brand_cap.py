"""At most so many items of the same brand."""

from __future__ import annotations

from serving.ranking.rules.pool import Mask, Pool, below_cap
from serving.ranking.top import Rows


def brand_cap(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """Those whose brand has not as many places as the block allows; or that have none."""
    cap = pool.block.brand_cap or 1
    return below_cap(pool.view.traits.brand[pool.rows], chosen, able, cap)
