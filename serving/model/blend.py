"""The scorer of a blend: several models' scores, made comparable and added up.

Models score on scales of their own, which differ between customers as well. So each part's scores
of a customer are divided by the greatest of them before they are weighed, and their square roots
may count too, since a score twice as high seldom makes a purchase twice as likely::

    score(i) = sum over parts p of  weight(p) * x_p(i) + root(p) * sqrt(x_p(i))
    x_p(i) = max(score_p(i), 0) / max over j of score_p(j)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.manifest import Part
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
        self._parts = parts
        self._scorers = [open_part(bundle.part(number)) for number in range(len(parts))]

    def score(self, baskets: Baskets) -> Floats:
        """Scores, (customers, items)."""
        scores = np.zeros((len(baskets), self._items), np.float32)
        for part, scorer in zip(self._parts, self._scorers, strict=True):
            add_part(scores, part, scorer.score(baskets))
        return scores

    def shares(self, baskets: Baskets, rows: NDArray[np.int64]) -> Shares:
        """What each item of one customer adds to each row's score.

        A square root is shared out like what it is taken of. What a part without reasons adds
        (popularity) is nobody's share.
        """
        shares, times = [], []
        for part, scorer in zip(self._parts, self._scorers, strict=True):
            scores = scorer.score(baskets)
            greatest = _greatest(scores)[0]
            known = np.maximum(scores[0, rows], 0.0) / greatest
            rooted = np.zeros_like(known)
            np.divide(np.float32(part.root), np.sqrt(known), out=rooted, where=known > 0)
            times.append(np.where(known > 0, (np.float32(part.weight) + rooted) / greatest, 0.0))
            shares.append(scorer.shares(baskets, rows))
        return joined(shares, times, len(rows))

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """The likes of the weightiest part that knows any."""
        weights = np.array([part.weight + part.root for part in self._parts])
        for place in np.argsort(-weights, kind="stable"):
            rows, scores = self._scorers[place].similar(row, count)
            if len(rows):
                return rows, scores
        return np.empty(0, np.int64), np.empty(0, np.float32)


def comparable(scores: Floats) -> Floats:
    """A part's scores from 0 to 1: divided by each customer's greatest, and none below 0."""
    return np.maximum(scores, np.float32(0)) / _greatest(scores)[:, None]


def add_part(scores: Floats, part: Part, of_part: Floats) -> None:
    """Add what a part's scores count to the scores, (customers, items), in place."""
    known = comparable(of_part)
    if part.weight:
        scores += np.float32(part.weight) * known
    if part.root:
        scores += np.float32(part.root) * np.sqrt(known)


def _greatest(scores: Floats) -> Floats:
    """Each customer's greatest score, (customers,); 1 where none is above 0."""
    if not scores.shape[1]:
        return np.ones(len(scores), np.float32)
    greatest = scores.max(axis=1)
    return np.where(greatest > 0, greatest, np.float32(1.0))
