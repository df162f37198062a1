"""A slate whose dearest item costs at least so many times its cheapest."""

from __future__ import annotations

import numpy as np

from serving.ranking.rules.pool import Mask, Pool, beside, of_chosen
from serving.ranking.top import Rows


def price_spread(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """All, until the block's last place: there only what widens the prices as far as they should.

    Prices of different currencies are not compared; an item without a price widens nothing, and
    a slate that has none in it is left alone.
    """
    if not 0 < chosen.shape[1] >= pool.block.size - 1:
        return able
    spread, traits = pool.block.price_spread or 1.0, pool.view.traits
    prices, shown = beside(traits.price[pool.rows], chosen)
    currencies, paid = beside(traits.currency[pool.rows], chosen)
    low, high = np.minimum(prices, shown), np.maximum(prices, shown)
    apart = (currencies == paid) & (high >= spread * low) & (high > low)
    kept = np.any(of_chosen(apart, chosen), axis=(1, 2))
    unpriced = np.all(np.isnan(shown), axis=(1, 2))
    widening: Mask = able & (np.any(apart, axis=2) | (kept | unpriced)[:, None])
    return widening
