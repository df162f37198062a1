"""Scorers: a basket in, a score for every item out. Pure NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model import als, item_knn, popularity
from serving.model.basket import Basket
from serving.model.bundle import Bundle


class Scorer(Protocol):
    """Scores every item of a bundle for a basket; safe to call from several threads."""

    def score(self, baskets: Sequence[Basket]) -> NDArray[np.float32]:
        """Scores, (baskets, items), finite; greater is better.

        An item that a personal model has nothing to say about scores 0, and so does every item
        for an empty basket: the chain orders equal scores by popularity. May be read-only.
        """
        ...

    def because(self, basket: Basket, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row the position in the basket that argues most for it; -1 where none does."""
        ...

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows most like this one with their scores, best first; never the row itself."""
        ...


SCORERS: Mapping[str, Callable[[Bundle], Scorer]] = {
    popularity.ALGORITHM: popularity.PopularityScorer,
    item_knn.ALGORITHM: item_knn.ItemKnnScorer,
    als.ALGORITHM: als.AlsScorer,
}


def open_scorer(bundle: Bundle) -> Scorer:
    """The scorer of a bundle's algorithm.

    Raises:
        BundleError: The algorithm is not known to this version, or an array that it needs is
            missing or of another shape.
    """
    algorithm = bundle.manifest.algorithm
    if algorithm not in SCORERS:
        message = f"algorithm {algorithm!r}: this version of Homing scores {', '.join(SCORERS)}"
        raise BundleError(message)
    return SCORERS[algorithm](bundle)
