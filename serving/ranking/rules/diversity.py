"""Items that are unlike each other, by maximal marginal relevance.

After Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and
Producing Summaries", SIGIR 1998. With λ = 1 - diversity the next place goes to the item of the
greatest::

    λ * relevance(item) - (1 - λ) * max over the items above it of likeness(item, other)

Relevance is told by place, not by score: it falls by 1 over the length of the block's slate. Scores
of different models are on different scales, and lower rungs have none. So an item rises past at
most size * diversity / (1 - diversity) others, whatever model ranks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serving.ranking.rules.pool import Mask, Pool, beside, of_chosen
from serving.ranking.top import Rows


def diversity(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """Those of the greatest marginal relevance; all for the first place, which is the best's."""
    if not chosen.shape[1]:
        return able
    share = pool.block.diversity or 0.0
    worth = (1 - share) * pool.relevance - share * likeness(pool, chosen).max(axis=2)
    worth = np.where(able, worth, -np.inf)
    best: Mask = able & (worth == worth.max(axis=1, keepdims=True))
    return best


def likeness(pool: Pool, chosen: Rows) -> NDArray[np.float32]:
    """How alike candidates and chosen items are, 0 to 1, (slates, candidates, places).

    The cosine of their vectors where the model has vectors, and 0 where that is negative. Else 1
    for items of the same narrowest category and 0 for others.
    """
    if pool.vectors is None:
        candidates, others = beside(pool.view.category[pool.rows], chosen)
        return np.asarray((candidates == others) & (candidates >= 0), np.float32)
    cosines = pool.vectors @ of_chosen(pool.vectors, chosen).transpose(0, 2, 1)
    return np.asarray(np.maximum(cosines, 0), np.float32)
