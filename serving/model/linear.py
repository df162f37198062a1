"""The scorer of every model that is a matrix from items to items.

The score of item i is the sum over the customer's items j of::

    weight(j) ** power * (S[j, i] + In[j] · Out[i])

with S sparse and In, Out of few columns; either may be missing. Item-kNN, EASE, graph filters and
personal frequency (S diagonal) are all of this form, so they share scorer, explanation and speed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.errors import BundleError
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.shares import Shares, no_shares

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
        self._items = bundle.manifest.items
        self._sparse = _matrix(bundle) if STARTS in bundle.arrays else None
        self._in, self._out = _factors(bundle)
        if self._sparse is None and not self._in.shape[1]:
            message = f"arrays {STARTS} or {IN}: {bundle.manifest.algorithm} needs one of them"
            raise BundleError(message)

    def score(self, baskets: Baskets) -> Floats:
        """Scores, (customers, items); 0 for an item that nothing in the basket gives to."""
        weights = self._weights(baskets)
        if self._sparse is None:
            scores: Floats = (weights @ self._in) @ self._out.T
            return scores
        scores = (weights @ self._sparse).toarray()
        if self._in.shape[1]:
            scores += (weights @ self._in) @ self._out.T
        return scores

    def shares(self, baskets: Baskets, rows: NDArray[np.int64]) -> Shares:
        """What each item of one customer gives to each row; a row's shares add up to its score."""
        weights = self._weights(baskets)
        items = weights.indices
        if not len(items) or not len(rows):
            return no_shares(len(rows))
        values = self._in[items] @ self._out[rows].T
        if self._sparse is not None:
            values = values + self._sparse[items][:, rows].toarray()
        return Shares(items, (values * weights.data[:, None]).T)

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """The items that one gives most to, best first; ties in the order of rows."""
        gains = self._out @ self._in[row]
        if self._sparse is not None:
            start, end = self._sparse.indptr[row : row + 2]
            gains[self._sparse.indices[start:end]] += self._sparse.data[start:end]
        gains[row] = 0.0
        rows = np.flatnonzero(gains > 0)
        order = np.lexsort((rows, -gains[rows]))[: max(count, 0)]
        return rows[order], gains[rows[order]]

    def _weights(self, baskets: Baskets) -> csr_array[Any, Any]:
        weights = baskets.weights(self._weighting)
        if self._power == 1.0:
            return weights
        powered = weights.data ** np.float32(self._power)
        return csr_array((powered, weights.indices, weights.indptr), shape=weights.shape)


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
