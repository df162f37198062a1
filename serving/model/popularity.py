"""The scorer of the popularity model: the same scores for everybody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.shares import Shares, no_shares
from serving.model.tastes import Rows
from serving.model.ways import Alike

ALGORITHM = "popularity"


class PopularityScorer:
    """Scores each item by how much all customers want it, whatever the basket.

    Args:
        bundle: Of that algorithm.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._popularity = bundle.popularity
        self._way = Alike(self._popularity)

    def tastes(self, baskets: Baskets) -> PopularTastes:
        """The taste of everybody, for each of them."""
        return PopularTastes(self._popularity, len(baskets), self._way)

    def score(self, baskets: Baskets) -> NDArray[np.float32]:
        """Scores, (customers, items), read-only."""
        return self.tastes(baskets).scores()

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # noqa: ARG002 - the port's arguments
        """Nothing: popularity knows no likeness."""
        return np.empty(0, np.int64), np.empty(0, np.float32)


class PopularTastes:
    """The same for all.

    Args:
        popularity: (items,).
        customers: How many.
        way: To the greatest.
    """

    def __init__(self, popularity: NDArray[np.float32], customers: int, way: Alike) -> None:
        self._popularity = popularity
        self._customers = customers
        self._way = way

    def scores(self) -> NDArray[np.float32]:
        """Scores, (customers, items), read-only."""
        return np.broadcast_to(self._popularity, (self._customers, len(self._popularity)))

    def at(self, customer: int, rows: Rows) -> NDArray[np.float64]:  # noqa: ARG002 - all alike
        """Scores of some rows."""
        return self._popularity[rows].astype(np.float64)

    def way(self) -> Alike:
        """Everybody's are the same."""
        return self._way

    def shares(self, rows: Sequence[Rows]) -> list[Shares]:
        """None: no single item is the reason."""
        return [no_shares(len(of_one)) for of_one in rows]
