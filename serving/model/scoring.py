"""Scorers: baskets in, a score for every item out. Pure NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model import als, blend, popularity
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.linear import LinearScorer
from serving.model.tastes import Tastes


class Scorer(Protocol):
    """Scores every item of a bundle for customers; safe to call from several threads."""

    def tastes(self, baskets: Baskets) -> Tastes:
        """What the model makes of these customers."""
        ...

    def score(self, baskets: Baskets) -> NDArray[np.float32]:
        """`Tastes.scores` of these customers."""
        ...

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows most like this one with their scores, best first; never the row itself."""
        ...


LINEAR = ("item_knn", "ease", "graph_filter", "personal", "transition")
"""Algorithms whose models are matrices from items to items."""
SCORERS: Mapping[str, Callable[[Bundle], Scorer]] = {
    popularity.ALGORITHM: popularity.PopularityScorer,
    als.ALGORITHM: als.AlsScorer,
    **dict.fromkeys(LINEAR, LinearScorer),
}


def open_scorer(bundle: Bundle) -> Scorer:
    """The scorer of a bundle's algorithm.

    Raises:
        BundleError: The algorithm is not known to this version, or an array that it needs is
            missing or of another shape.
    """
    algorithm = bundle.manifest.algorithm
    if algorithm == blend.ALGORITHM:
        return blend.BlendScorer(bundle, open_scorer)
    if algorithm not in SCORERS:
        known = ", ".join([*SCORERS, blend.ALGORITHM])
        message = f"algorithm {algorithm!r}: this version of Homing scores {known}"
        raise BundleError(message)
    return SCORERS[algorithm](bundle)
