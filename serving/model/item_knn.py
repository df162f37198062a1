"""The scorer of item-kNN: a sparse sum over the neighbours of what the customer has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.errors import BundleError
from serving.model.basket import Basket
from serving.model.bundle import Bundle
from serving.model.stacking import stack

ALGORITHM = "item_knn"
STARTS = "neighbour_starts"
"""int32 (items + 1,): where each item's neighbours begin in the other two."""
NEIGHBOURS = "neighbours"
"""int32: rows of the neighbours; an item may be its own."""
SIMILARITIES = "similarities"
"""float32: how like each neighbour is; not negative."""


class ItemKnnScorer:
    """Scores an item by its likeness to what is in the basket.

    The score of item i is the sum over the basket's items j of weight(j) * similarity(j, i).

    Args:
        bundle: Of that algorithm.

    Raises:
        BundleError: The arrays are not the rows of a square sparse matrix.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._similarity = _matrix(bundle)

    def score(self, baskets: Sequence[Basket]) -> NDArray[np.float32]:
        """Scores, (baskets, items); 0 for an item that is nobody's neighbour here."""
        weights = stack(baskets, self._similarity.shape[0])
        scores: NDArray[np.float32] = (weights @ self._similarity).toarray()
        return scores

    def because(self, basket: Basket, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row the position that adds most to its score; -1 where none adds anything.

        An item that is in the basket itself may be its own reason.
        """
        if not len(basket) or not len(rows):
            return np.full(len(rows), -1, np.int64)
        shares = self._similarity[basket.rows][:, rows].toarray() * basket.weights[:, None]
        best = shares.argmax(axis=0)
        return np.where(shares.max(axis=0) > 0, best, -1)

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The nearest neighbours, best first; ties in the order of rows."""
        start, end = self._similarity.indptr[row : row + 2]
        rows = self._similarity.indices[start:end].astype(np.int64)
        scores = self._similarity.data[start:end]
        order = np.lexsort((rows, -scores))
        order = order[rows[order] != row][:count]
        return rows[order], scores[order]


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
