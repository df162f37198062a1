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

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from features.errors import BundleError
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.longest import Longest, inner_products
from serving.model.shares import Shares, no_shares
from serving.model.tastes import Rows
from serving.model.ways import Inner

ALGORITHM = "als"
FACTORS = "item_factors"
"""float32 (items, factors)."""
REGULARIZATION = "regularization"
ALPHA = "alpha"
FREQUENCY = "frequency"
LEAST: Final = 1e-10
"""Of the mean of Y'Y's diagonal: the least regularisation with which a system has one solution."""

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
        self._alpha = np.float32(_number(bundle, ALPHA))
        self._regularization = _number(bundle, REGULARIZATION)
        self._frequency = _number(bundle, FREQUENCY, 0.0)
        self._mean = bundle.manifest.data.interactions / max(bundle.manifest.data.customers, 1)
        self._gram = (self._factors.T @ self._factors).astype(np.float64)
        self._longest = Longest(self._factors)
        self._least = max(LEAST * float(np.trace(self._gram)) / len(self._gram), LEAST)

    def tastes(self, baskets: Baskets) -> AlsTastes:
        """What the model makes of these customers."""
        return AlsTastes(self._longest, list(self._half_steps(baskets)))

    def score(self, baskets: Baskets) -> Factors:
        """Scores, (customers, items)."""
        return _scores(self.vectors(baskets), self._factors)

    def vectors(self, baskets: Baskets) -> Factors:
        """The customers' vectors, (customers, factors); zeros for an empty basket."""
        return _stacked([step.vector for step in self._half_steps(baskets)], self._factors)

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Factors]:
        """Rows by the cosine of their factors, best first; ties in the order of rows."""
        lengths = self._longest.lengths
        norms = np.maximum(lengths * lengths[row], np.finfo(np.float32).tiny)
        cosines = (self._factors @ self._factors[row]) / norms
        # The row itself is its own best match: one more than asked for, then without it.
        count = max(0, min(count, len(cosines) - 1))
        cosines[row] = -np.inf
        best = np.argpartition(-cosines, count)[: count + 1] if count else np.empty(0, np.int64)
        best = best[np.lexsort((best, -cosines[best]))][:count]
        return best, cosines[best]

    def _half_steps(self, baskets: Baskets) -> Iterator[_HalfStep]:
        """One a customer.

        Each is computed by itself, so that it is the same to the bit whoever else is asked for.
        """
        weights = baskets.weights(self._weighting)
        diagonal = slice(None, None, len(self._gram) + 1)
        for start, end in pairwise(weights.indptr.tolist()):
            items = weights.indices[start:end]
            if not len(items):
                yield _HalfStep(items, weights.data[:0], np.zeros(len(self._gram)), None)
                continue
            grown = self._regularization * ((end - start) / self._mean) ** self._frequency
            extra = self._alpha * weights.data[start:end]
            known = self._factors[items]
            # Summed in single precision, as implicit does, and solved in double.
            system = ((known.T * extra) @ known).astype(np.float64)
            system += self._gram
            system.reshape(-1)[diagonal] += max(grown, self._least)
            factored, _ = dpotrf(system.T, lower=1, overwrite_a=1, clean=0)
            confidence = 1 + extra
            vector, _ = dpotrs(factored, confidence @ known, lower=1)
            yield _HalfStep(items, confidence, vector, factored)


class _HalfStep(NamedTuple):
    """One customer's.

    Attributes:
        items: Rows of the basket, int32 (items,).
        confidence: In each, (items,).
        vector: float64 (factors,).
        factored: The system's lower Cholesky factor; None where there is no item.
    """

    items: NDArray[np.int32]
    confidence: Factors
    vector: Floats
    factored: Floats | None


class AlsTastes:
    """Customers' vectors among items' factors.

    Args:
        items: The items' factors.
        steps: One a customer.
    """

    def __init__(self, items: Longest, steps: Sequence[_HalfStep]) -> None:
        self._items = items
        self._factors = items.factors
        self._steps = steps
        self._vectors = _stacked([step.vector for step in steps], items.factors)

    def scores(self) -> Factors:
        """Scores, (customers, items)."""
        return _scores(self._vectors, self._factors)

    def at(self, customer: int, rows: Rows) -> Floats:
        """Scores of some rows of one customer."""
        return inner_products(self._vectors[customer], self._factors[rows])

    def way(self) -> Inner:
        """Scores are inner products."""
        return Inner(self._vectors, self._items)

    def shares(self, rows: Sequence[Rows]) -> list[Shares]:
        """What each item of a customer's history adds to the scores of some rows.

        A score is exactly the sum of its items' shares (Hu, Koren & Volinsky 2008, section 5).
        """
        return [self._shares(step, asked) for step, asked in zip(self._steps, rows, strict=True)]

    def _shares(self, step: _HalfStep, rows: Rows) -> Shares:
        if step.factored is None or not len(rows):
            return no_shares(len(rows))
        pulled, _ = dpotrs(step.factored, self._factors[rows].T, lower=1)
        values = (self._factors[step.items] @ pulled).T * step.confidence
        return Shares(step.items, values.astype(np.float32))


def _stacked(vectors: Sequence[Floats], factors: Factors) -> Factors:
    """Vectors beside each other, (customers, factors)."""
    return np.array(vectors, np.float32).reshape(len(vectors), factors.shape[1])


def _scores(vectors: Factors, factors: Factors) -> Factors:
    scores: Factors = vectors @ factors.T
    return scores


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
