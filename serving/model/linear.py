"""The scorer of every model that is a matrix from items to items.

The score of item i is the sum over the customer's items j of::

    weight(j) ** power * (S[j, i] + In[j] · Out[i])

with S sparse and In, Out of few columns; either may be missing. Item-kNN, EASE, graph filters and
personal frequency (S diagonal) are all of this form, so they share scorer, explanation and speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.errors import BundleError
from serving.model.basket import Baskets, Weights
from serving.model.bundle import Bundle
from serving.model.longest import Longest, inner_products
from serving.model.shares import Shares, no_shares
from serving.model.tastes import Rows
from serving.model.ways import Few, Inner

STARTS = "neighbour_starts"
"""int32 (items + 1,): where each item's neighbours begin in the other two."""
NEIGHBOURS = "neighbours"
"""int32: rows of the neighbours; an item may be its own."""
SIMILARITIES = "similarities"
"""float32: what each neighbour gains."""
IN = "in_factors"
"""float32 (items, factors)."""
OUT = "out_factors"
"""float32 (items, factors)."""
POWER = "power"
"""On the weights of the customer's items; 1 when a bundle does not say."""

Floats = NDArray[np.float32]


class Matrix(NamedTuple):
    """What items give to items.

    Attributes:
        sparse: S, (items, items); None for none of it.
        taken: In, (items, factors).
        given: Out, (items, factors).
    """

    sparse: csr_array[Any, Any] | None
    taken: Floats
    given: Floats


class LinearScorer:
    """Scores items by what the customer's items give to them.

    Args:
        bundle: Holds S, or In and Out, or all.

    Raises:
        BundleError: It holds none of them, or they do not fit its items.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._weighting = bundle.manifest.weighting
        self._power = _power(bundle)
        sparse = _matrix(bundle) if STARTS in bundle.arrays else None
        self._matrix = Matrix(sparse, *_factors(bundle))
        self._longest = Longest(self._matrix.given)
        if sparse is None and not self._matrix.taken.shape[1]:
            message = f"arrays {STARTS} or {IN}: {bundle.manifest.algorithm} needs one of them"
            raise BundleError(message)

    def tastes(self, baskets: Baskets) -> LinearTastes:
        """What the model makes of these customers."""
        weights = baskets.weights(self._weighting)
        if self._power != 1.0:
            powered = weights.data ** np.float32(self._power)
            weights = csr_array((powered, weights.indices, weights.indptr), shape=weights.shape)
        return LinearTastes(self._matrix, weights, self._longest)

    def score(self, baskets: Baskets) -> Floats:
        """Scores, (customers, items); 0 for an item that nothing in the basket gives to."""
        return self.tastes(baskets).scores()

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """The items that one gives most to, best first; ties in the order of rows."""
        sparse, taken, given = self._matrix
        gains = given @ taken[row]
        if sparse is not None:
            start, end = sparse.indptr[row : row + 2]
            gains[sparse.indices[start:end]] += sparse.data[start:end]
        gains[row] = 0.0
        rows = np.flatnonzero(gains > 0)
        order = np.lexsort((rows, -gains[rows]))[: max(count, 0)]
        return rows[order], gains[rows[order]]


class LinearTastes:
    """What customers' items give to all items.

    Args:
        matrix: From items to items.
        weights: Of the customers' items, after the power, (customers, items).
        items: What items gain from factors.
    """

    def __init__(self, matrix: Matrix, weights: Weights, items: Longest) -> None:
        self._matrix = matrix
        self._weights = weights
        self._items = items

    @cached_property
    def _vectors(self) -> Floats:
        """What the customers' items give to factors, (customers, factors)."""
        return np.asarray(self._weights @ self._matrix.taken)

    @cached_property
    def _given(self) -> Weights | None:
        """What they give to single items, (customers, items)."""
        return None if self._matrix.sparse is None else self._weights @ self._matrix.sparse

    @cached_property
    def _few(self) -> Few | None:
        return None if self._given is None else Few(self._given)

    def scores(self) -> Floats:
        """Scores, (customers, items); 0 for an item that nothing in the basket gives to."""
        if self._given is None:
            scores: Floats = self._vectors @ self._matrix.given.T
            return scores
        scores = self._given.toarray()
        if self._matrix.given.shape[1]:
            scores += self._vectors @ self._matrix.given.T
        return scores

    def at(self, customer: int, rows: Rows) -> NDArray[np.float64]:
        """Scores of some rows of one customer."""
        scores = inner_products(self._vectors[customer], self._matrix.given[rows])
        return scores if self._few is None else scores + self._few.dense(customer)[rows]

    def way(self) -> Inner | Few | None:
        """Scores are inner products, or 0 but for few items; both together know no way."""
        if self._given is None:
            return Inner(self._vectors, self._items)
        return None if self._matrix.given.shape[1] else self._few

    def shares(self, rows: Sequence[Rows]) -> list[Shares]:
        """What each item of a customer gives to some rows; a row's shares add up to its score."""
        starts = self._weights.indptr
        cells = [slice(start, end) for start, end in pairwise(starts.tolist())]
        return [self._shares(*of_one) for of_one in zip(cells, rows, strict=True)]

    def _shares(self, cells: slice, rows: Rows) -> Shares:
        items, weights = self._weights.indices[cells], self._weights.data[cells]
        if not len(items) or not len(rows):
            return no_shares(len(rows))
        sparse, taken, given = self._matrix
        values = taken[items] @ given[rows].T
        if sparse is not None:
            values += sparse[items][:, rows].toarray()
        return Shares(items, (values * weights[:, None]).T)


def _power(bundle: Bundle) -> float:
    value = bundle.manifest.params.get(POWER, 1.0)
    if not isinstance(value, float | int) or not 0 <= value <= 1:
        message = f"params.{POWER} = {value!r}: {bundle.manifest.algorithm} needs a number, 0 to 1"
        raise BundleError(message)
    return float(value)


def _factors(bundle: Bundle) -> tuple[Floats, Floats]:
    count = bundle.manifest.items
    if IN not in bundle.arrays:
        nothing = np.empty((count, 0), np.float32)
        return nothing, nothing
    both = bundle.array(IN, np.float32, 2), bundle.array(OUT, np.float32, 2)
    if both[0].shape != both[1].shape or len(both[0]) != count:
        message = f"arrays {IN} {both[0].shape}, {OUT} {both[1].shape}: do not fit {count} items"
        raise BundleError(message)
    return both


def _matrix(bundle: Bundle) -> csr_array[Any, Any]:
    count = bundle.manifest.items
    data = bundle.array(SIMILARITIES, np.float32, 1)
    columns = bundle.array(NEIGHBOURS, np.int32, 1)
    starts = bundle.array(STARTS, np.int32, 1)
    if (
        len(starts) != count + 1
        or starts[0] != 0
        or starts[-1] != len(columns)
        or len(columns) != len(data)
        or (np.diff(starts) < 0).any()
        or (len(columns) and (columns.min() < 0 or columns.max() >= count))
    ):
        message = f"arrays {STARTS}, {NEIGHBOURS}, {SIMILARITIES}: not the rows of {count} items"
        raise BundleError(message)
    return csr_array((data, columns, starts), shape=(count, count))
