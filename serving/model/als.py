"""The scorer of ALS: one exact half-step from the basket to the customer's vector.

With confidence c = 1 + alpha * weight, the vector x of a customer solves (Hu, Koren & Volinsky
2008, equation 4)::

    (Y'Y + Y'(C - I)Y + regularization * I) x = Y'c

where Y are the item factors and C - I is 0 for all but the basket's items, so that with Y'Y cached
the cost is that of the basket and not of the catalogue. The regularisation of a customer may grow
with the number n of his items, as Rendle et al., "Revisiting the Performance of iALS on Item
Recommendation Benchmarks", 2022, found to matter; `frequency` 0 is the plain one, 1 that of Zhou et
al., "Large-Scale Parallel Collaborative Filtering for the Netflix Prize", 2008::

    regularization * (n / mean n of the customers that it was fitted on) ** frequency
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.shares import Shares, no_shares

ALGORITHM = "als"
FACTORS = "item_factors"
"""float32 (items, factors)."""
REGULARIZATION = "regularization"
ALPHA = "alpha"
FREQUENCY = "frequency"
TOGETHER: Final = 64
"""Customers whose systems are solved at once; of like size, since the short are padded."""

Factors = NDArray[np.float32]
Floats = NDArray[np.float64]


class AlsScorer:
    """Scores an item by the inner product of its factors with the customer's vector.

    Args:
        bundle: Of that algorithm, with parameters `regularization`, `alpha` and, unless it is 0,
            `frequency`.

    Raises:
        BundleError: The factors are missing or misshapen, or a parameter is not a number.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._weighting = bundle.manifest.weighting
        self._factors = _factors(bundle)
        self._alpha = _number(bundle, ALPHA)
        self._regularization = _number(bundle, REGULARIZATION)
        self._frequency = _number(bundle, FREQUENCY, 0.0)
        self._mean = bundle.manifest.data.interactions / max(bundle.manifest.data.customers, 1)
        self._gram = (self._factors.T @ self._factors).astype(np.float64)
        self._norms = np.sqrt(np.einsum("if,if->i", self._factors, self._factors))

    def score(self, baskets: Baskets) -> Factors:
        """Scores, (customers, items)."""
        scores: Factors = self.vectors(baskets) @ self._factors.T
        return scores

    def vectors(self, baskets: Baskets) -> Factors:
        """The customers' vectors, (customers, factors); zeros for an empty basket."""
        weights = baskets.weights(self._weighting)
        lengths = np.diff(weights.indptr)
        vectors = np.zeros((len(baskets), len(self._gram)), np.float32)
        order = np.argsort(lengths, kind="stable")
        order = order[np.searchsorted(lengths[order], 1) :]
        for start in range(0, len(order), TOGETHER):
            chosen = order[start : start + TOGETHER]
            width = int(lengths[chosen[-1]])
            # Each customer's cells side by side, the short ones padded by cells that weigh nothing.
            places = weights.indptr[chosen][:, None] + np.arange(width)
            there = np.arange(width) < lengths[chosen][:, None]
            places = np.where(there, places, 0)
            extra = np.where(there, weights.data[places] * np.float32(self._alpha), np.float32(0))
            known = self._factors[weights.indices[places]]
            systems, pulls = self._systems(known, extra, lengths[chosen])
            right = (pulls * there[:, None, :]).sum(axis=2, keepdims=True)
            vectors[chosen] = np.linalg.solve(systems, right)[:, :, 0]
        return vectors

    def shares(self, baskets: Baskets, rows: NDArray[np.int64]) -> Shares:
        """What each item of one customer adds to each row's score.

        A score is exactly the sum of its items' shares (Hu, Koren & Volinsky 2008, section 5).
        """
        weights = baskets.weights(self._weighting)
        items = weights.indices
        if not len(items) or not len(rows):
            return no_shares(len(rows))
        known = self._factors[items][None]
        extra = np.float32(self._alpha) * weights.data[None]
        systems, pulls = self._systems(known, extra, np.array([len(items)]))
        solved = np.linalg.solve(systems[0], pulls[0])
        return Shares(items, (self._factors[rows] @ solved).astype(np.float32))

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Factors]:
        """Rows by the cosine of their factors, best first; ties in the order of rows."""
        norms = np.maximum(self._norms * self._norms[row], np.finfo(np.float32).tiny)
        cosines = (self._factors @ self._factors[row]) / norms
        # The row itself is its own best match: one more than asked for, then without it.
        count = max(0, min(count, len(cosines) - 1))
        cosines[row] = -np.inf
        best = np.argpartition(-cosines, count)[: count + 1] if count else np.empty(0, np.int64)
        best = best[np.lexsort((best, -cosines[best]))][:count]
        return best, cosines[best]

    def _systems(
        self, known: Factors, extra: Factors, counts: NDArray[np.int64]
    ) -> tuple[Floats, Factors]:
        """The half-steps' matrices, and each item's pull on the right sides.

        Args:
            known: Factors of each customer's items, (customers, items, factors).
            extra: Confidence above 1 of each, (customers, items).
            counts: Items of each customer, (customers,).

        Returns:
            (customers, factors, factors) and (customers, factors, items).
        """
        across = known.transpose(0, 2, 1)
        grown = (counts / self._mean) ** self._frequency
        # Summed in single precision, as implicit does, and solved in double.
        systems = ((across * extra[:, None, :]) @ known).astype(np.float64)
        systems += self._gram
        factor = np.arange(len(self._gram))
        systems[:, factor, factor] += (self._regularization * grown)[:, None]
        return systems, across * (1 + extra)[:, None, :]


def _factors(bundle: Bundle) -> Factors:
    factors = bundle.array(FACTORS, np.float32, 2)
    if len(factors) != bundle.manifest.items or not factors.shape[1]:
        message = (
            f"array {FACTORS}: shape {factors.shape} does not fit {bundle.manifest.items} items"
        )
        raise BundleError(message)
    return factors


def _number(bundle: Bundle, name: str, default: float | None = None) -> float:
    value = bundle.manifest.params.get(name, default)
    if not isinstance(value, float | int) or value < 0:
        message = f"params.{name} = {value!r}: {ALGORITHM} needs a number from 0"
        raise BundleError(message)
    return float(value)
