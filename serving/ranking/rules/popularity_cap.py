"""At most so many of the most popular items, so that mails don't show the same few to all."""

from __future__ import annotations

import numpy as np

from serving.ranking.rules.pool import Mask, Pool, below_cap
from serving.ranking.top import Rows


def popularity_cap(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """All, or only those of the less popular once the popular have what the block allows."""
    block, view = pool.block, pool.view
    popular = view.rank[pool.rows] < block.popular_share * len(view.items)
    # One group, that of the popular; all others are of none.
    return below_cap(np.where(popular, 0, -1), chosen, able, block.popularity_cap or 1)
