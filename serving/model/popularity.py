"""The scorer of the popularity model: the same scores for everybody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.model.basket import Basket
from serving.model.bundle import Bundle

ALGORITHM = "popularity"


class PopularityScorer:
    """Scores each item by how much all customers want it, whatever the basket.

    Args:
        bundle: Of that algorithm.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._popularity = bundle.popularity

    def score(self, baskets: Sequence[Basket]) -> NDArray[np.float32]:
        """Scores, (baskets, items), read-only."""
        return np.broadcast_to(self._popularity, (len(baskets), len(self._popularity)))

    def because(self, basket: Basket, rows: NDArray[np.int64]) -> NDArray[np.int64]:  # noqa: ARG002 - the port's arguments
        """Always -1: no single item is the reason."""
        return np.full(len(rows), -1, np.int64)

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # noqa: ARG002 - the port's arguments
        """Nothing: popularity knows no likeness."""
        return np.empty(0, np.int64), np.empty(0, np.float32)
