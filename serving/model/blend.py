"""The scorer of a blend: several models' scores, made comparable and added up.

Models score on scales of their own, which differ between customers as well. So each part's scores
of a customer are divided by the greatest of them, before they are weighed::

    score(i) = sum over parts p of  weight(p) * score_p(i) / max over j of |score_p(j)|
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.shares import Shares, joined

ALGORITHM = "blend"
Floats = NDArray[np.float32]


class PartScorer(Protocol):
    """What a blend asks of its parts; `serving.model.scoring.Scorer`."""

    def score(self, baskets: Baskets) -> Floats:
        """Scores, (customers, items)."""
        ...

    def shares(self, baskets: Baskets, rows: NDArray[np.int64]) -> Shares:
        """What each item of one customer adds to each row's score."""
        ...

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """Rows most like this one."""
        ...


class BlendScorer:
    """Scores items by the weighed sum of several models' scores.

    Args:
        bundle: Of that algorithm.
        open_part: Opens the scorer of a part.

    Raises:
        BundleError: It has no part, or one that can't score.
    """

    def __init__(self, bundle: Bundle, open_part: Callable[[Bundle], PartScorer]) -> None:
        parts = bundle.manifest.parts
        if not parts or any(part.algorithm == ALGORITHM for part in parts):
            message = "a blend is made of at least one model, none of them a blend"
            raise BundleError(message)
        self._items = bundle.manifest.items
        self._weights = [part.weight for part in parts]
        self._scorers = [open_part(bundle.part(number)) for number in range(len(parts))]

    def score(self, baskets: Baskets) -> Floats:
        """Scores, (customers, items)."""
        scores = np.zeros((len(baskets), self._items), np.float32)
        for weight, scorer in zip(self._weights, self._scorers, strict=True):
            part = scorer.score(baskets)
            scores += part * (np.float32(weight) / _greatest(part))[:, None]
        return scores

    def shares(self, baskets: Baskets, rows: NDArray[np.int64]) -> Shares:
        """What each item of one customer adds to each row's score.

        What a part without reasons (popularity) adds is nobody's share.
        """
        weights = [
            weight / float(_greatest(scorer.score(baskets))[0])
            for weight, scorer in zip(self._weights, self._scorers, strict=True)
        ]
        parts = [scorer.shares(baskets, rows) for scorer in self._scorers]
        return joined(parts, weights, len(rows))

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """The weightiest part's likes that knows any."""
        for place in np.argsort(-np.array(self._weights), kind="stable"):
            rows, scores = self._scorers[place].similar(row, count)
            if len(rows):
                return rows, scores
        return np.empty(0, np.int64), np.empty(0, np.float32)


def _greatest(scores: Floats) -> Floats:
    """The greatest size of each customer's scores, (customers,); 1 where all are 0."""
    if not scores.shape[1]:
        return np.ones(len(scores), np.float32)
    greatest = np.maximum(scores.max(axis=1), -scores.min(axis=1))
    return np.where(greatest > 0, greatest, np.float32(1.0))
