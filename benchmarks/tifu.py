"""TIFU-kNN, a peer: what a customer bought often and lately, and what customers alike did.

Hu, He, Gao & Zhang, "Modeling Personalized Item Frequency Information for Next-basket
Recommendation", SIGIR 2020. A basket is what a customer bought on one day. Baskets are put in
groups of `group` from the newest on; within a group each fades by `within` a basket, and groups
fade by `between`. A customer's vector is the mean of his groups' means; what is predicted is::

    alpha * own vector + (1 - alpha) * mean vector of the nearest customers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.event import EventType
from serving.model.basket import KINDS, Baskets

DAY: Final = 86_400.0
"""Seconds."""

Numbers = NDArray[np.int64]
Vectors: TypeAlias = csr_array[Any, Any]


@dataclass(frozen=True)
class TifuParams:
    """Parameters of TIFU-kNN.

    Attributes:
        neighbours: Customers that are looked at beside the customer.
        alpha: What the own vector counts, 0 to 1.
        group: Baskets of a group.
        within: What a basket counts of the next newer one of its group, 0 to 1.
        between: What a group counts of the next newer one, 0 to 1.
    """

    neighbours: int = 300
    alpha: float = 0.7
    group: int = 7
    within: float = 0.9
    between: float = 0.7


class Tifu:
    """The fitted model: every customer's vector.

    Args:
        baskets: What customers did.
        params: See there.
    """

    def __init__(self, baskets: Baskets, params: TifuParams) -> None:
        self._params = params
        self._vectors = vectors_of(baskets, params)
        squares = self._vectors.multiply(self._vectors).sum(axis=1)
        self._squares = np.asarray(squares, np.float32).ravel()

    def __call__(self, customers: Numbers) -> NDArray[np.float32]:
        """Scores of all items for some of the customers, (customers, items)."""
        own, count = self._vectors[customers], min(self._params.neighbours, len(self._squares) - 1)
        near = self._nearest(own, customers, count)
        starts = np.arange(len(customers) + 1) * count
        shares = np.full(near.size, 1.0 / max(count, 1), np.float32)
        shape = (len(customers), self._vectors.shape[0])
        theirs = csr_array((shares, near.ravel(), starts), shape=shape) @ self._vectors
        alpha = np.float32(self._params.alpha)
        scores: NDArray[np.float32] = (alpha * own + (1 - alpha) * theirs).toarray()
        return scores

    def _nearest(self, own: Vectors, customers: Numbers, count: int) -> Numbers:
        """Those at the least Euclidean distance, without the customer, (customers, count)."""
        distances = self._squares - 2.0 * (own @ self._vectors.T).toarray()
        distances[np.arange(len(customers)), customers] = np.inf
        return np.argpartition(distances, max(count - 1, 0), axis=1)[:, :count]


def vectors_of(baskets: Baskets, params: TifuParams) -> Vectors:
    """Each customer's faded frequencies of items, float32 (customers, items)."""
    bought = baskets.kinds == KINDS.index(EventType.PURCHASE)
    customers = np.repeat(np.arange(len(baskets)), np.diff(baskets.starts))[bought]
    days = (baskets.ages[bought] // DAY).astype(np.int64)
    # An item counts once a basket; the newest basket of a customer comes first.
    cells = np.unique(np.stack([customers, days, baskets.rows[bought]]), axis=1)
    pairs, basket = np.unique(cells[:2], axis=1, return_inverse=True)
    weights = _weights(pairs[0], len(baskets), params)[basket]
    places = (cells[0], cells[2])
    vectors = csr_array((weights, places), shape=(len(baskets), baskets.items))
    vectors.sum_duplicates()
    return vectors


def _weights(customers: Numbers, count: int, params: TifuParams) -> NDArray[np.float32]:
    """What each basket counts, (baskets,).

    Args:
        customers: Whose each basket is, ascending, the newest of a customer first.
        count: Of customers.
        params: See `TifuParams`.
    """
    of_each = np.bincount(customers, minlength=count)
    place = np.arange(len(customers)) - (np.cumsum(of_each) - of_each)[customers]
    group, within = place // params.group, place % params.group
    groups = -(-of_each[customers] // params.group)
    # The oldest group has what is left.
    size = np.minimum(of_each[customers] - group * params.group, params.group)
    faded = params.within**within * params.between**group
    weights: NDArray[np.float32] = (faded / (size * groups)).astype(np.float32)
    return weights
