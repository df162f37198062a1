"""The scorer of ALS: one exact half-step from the basket to the customer's vector.

With confidence c = 1 + alpha * weight, the vector x of a customer solves (Hu, Koren & Volinsky
2008, equation 4)::

    (Y'Y + Y'(C - I)Y + regularization * I) x = Y'c

where Y are the item factors and C - I is 0 for all but the basket's items, so that with Y'Y cached
the cost is that of the basket and not of the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.basket import Basket
from serving.model.bundle import Bundle

ALGORITHM = "als"
FACTORS = "item_factors"
"""float32 (items, factors)."""
REGULARIZATION = "regularization"
ALPHA = "alpha"

Factors = NDArray[np.float32]


class AlsScorer:
    """Scores an item by the inner product of its factors with the customer's vector.

    Args:
        bundle: Of that algorithm, with parameters `regularization` and `alpha`.

    Raises:
        BundleError: The factors are missing or misshapen, or a parameter is not a number.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._factors = _factors(bundle)
        self._alpha = _number(bundle, ALPHA)
        gram = (self._factors.T @ self._factors).astype(np.float64)
        self._gram = gram + _number(bundle, REGULARIZATION) * np.eye(len(gram))
        self._norms = np.sqrt(np.einsum("if,if->i", self._factors, self._factors))

    def score(self, baskets: Sequence[Basket]) -> NDArray[np.float32]:
        """Scores, (baskets, items)."""
        scores: NDArray[np.float32] = self.vectors(baskets) @ self._factors.T
        return scores

    def vectors(self, baskets: Sequence[Basket]) -> Factors:
        """The customers' vectors, (baskets, factors); zeros for an empty basket."""
        vectors = np.zeros((len(baskets), len(self._gram)), np.float32)
        for vector, basket in zip(vectors, baskets, strict=True):
            if len(basket):
                system, pulls = self._system(basket)
                vector[:] = np.linalg.solve(system, pulls.sum(axis=1))
        return vectors

    def because(self, basket: Basket, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row the position that adds most to its score; -1 where none adds anything.

        A score is exactly the sum of its items' shares (Hu, Koren & Volinsky 2008, section 5). An
        item that is in the basket itself may be its own reason.
        """
        if not len(basket) or not len(rows):
            return np.full(len(rows), -1, np.int64)
        system, pulls = self._system(basket)
        shares = self._factors[rows] @ np.linalg.solve(system, pulls)
        best = shares.argmax(axis=1)
        return np.where(shares.max(axis=1) > 0, best, -1)

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows by the cosine of their factors, best first; ties in the order of rows."""
        norms = np.maximum(self._norms * self._norms[row], np.finfo(np.float32).tiny)
        cosines = (self._factors @ self._factors[row]) / norms
        # The row itself is its own best match: one more than asked for, then without it.
        count = max(0, min(count, len(cosines) - 1))
        cosines[row] = -np.inf
        best = np.argpartition(-cosines, count)[: count + 1] if count else np.empty(0, np.int64)
        best = best[np.lexsort((best, -cosines[best]))][:count]
        return best, cosines[best]

    def _system(self, basket: Basket) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The half-step's matrix, and each item's pull on its right side (factors, basket)."""
        known = self._factors[basket.rows].astype(np.float64)
        extra = self._alpha * basket.weights.astype(np.float64)
        system = self._gram + (known.T * extra) @ known
        return system, known.T * (1.0 + extra)


def _factors(bundle: Bundle) -> Factors:
    factors = bundle.array(FACTORS, np.float32, 2)
    if len(factors) != bundle.manifest.items or not factors.shape[1]:
        message = (
            f"array {FACTORS}: shape {factors.shape} does not fit {bundle.manifest.items} items"
        )
        raise BundleError(message)
    return factors


def _number(bundle: Bundle, name: str) -> float:
    value = bundle.manifest.params.get(name)
    if not isinstance(value, float | int) or value < 0:
        message = f"params.{name} = {value!r}: {ALGORITHM} needs a number from 0"
        raise BundleError(message)
    return float(value)
