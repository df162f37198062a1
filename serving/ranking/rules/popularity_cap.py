"""At most so many of the most popular items, so that mails don't show the same few to all."""

from __future__ import annotations

import numpy as np

from serving.ranking.blocks import Block
from serving.ranking.rules.pool import Mask, Pool, below_cap
from serving.ranking.top import Rows
from serving.ranking.view import ItemView


def popularity_cap(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """All, or only those of the less popular once the popular have what the block allows."""
    cap = pool.block.popularity_cap or 1
    return below_cap(popular_rows(pool.view, pool.block, pool.rows), chosen, able, cap)


def popular_rows(view: ItemView, block: Block, rows: Rows | None = None) -> Rows:
    """One group, 0, that of the popular rows; -1 for all others.

    Args:
        view: Of the rows.
        block: Says which are popular.
        rows: Which; all rows of the view when None.
    """
    rank = view.rank if rows is None else view.rank[rows]
    return np.where(rank < block.popular_share * len(view.items), 0, -1)
