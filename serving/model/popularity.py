"""The scorer of the popularity model: the same scores for everybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.shares import Shares, no_shares

ALGORITHM = "popularity"


class PopularityScorer:
    """Scores each item by how much all customers want it, whatever the basket.

    Args:
        bundle: Of that algorithm.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._popularity = bundle.popularity

    def score(self, baskets: Baskets) -> NDArray[np.float32]:
        """Scores, (customers, items), read-only."""
        return np.broadcast_to(self._popularity, (len(baskets), len(self._popularity)))

    def shares(self, baskets: Baskets, rows: NDArray[np.int64]) -> Shares:  # noqa: ARG002 - the port's arguments
        """None: no single item is the reason."""
        return no_shares(len(rows))

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # noqa: ARG002 - the port's arguments
        """Nothing: popularity knows no likeness."""
        return np.empty(0, np.int64), np.empty(0, np.float32)
