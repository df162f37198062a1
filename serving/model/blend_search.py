"""Exact search in a blend: no look at items of which the parts' bounds together are too low.

Each part knows what its score of an item can't be above. What these bounds count in the blend,
added up, is what the item's score can't be above; it is nearly always far below the best, and then
none of the item's scores is computed (threshold algorithms: Fagin, Lotem & Naor, "Optimal
Aggregation Algorithms for Middleware", 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.model.manifest import Say
from serving.model.ways import Way

STEP: Final = 1_024
"""Items whose scores are computed between two looks at the bound."""
ROUNDING: Final = 4e-6
"""How far single precision may be off in a comparable score."""

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Parts = Sequence[tuple[Say, Way, np.float32]]
"""What each part counts, its scores, and by what these are divided."""


class Search:
    """What is known of the scores of one customer's new items; grows with what is asked.

    Args:
        parts: Of the blend.
        customer: Whose.
        seeds: New items that are likely good, unique.
    """

    def __init__(self, parts: Parts, customer: int, seeds: Rows) -> None:
        self._parts = parts
        self._customer = customer
        # A root of what should be nothing may be that of all that rounding left of it.
        off = (abs(say.weight) * ROUNDING + abs(say.root) * ROUNDING**0.5 for say, _, _ in parts)
        self._slack = np.float32(sum(off))
        self._rows = seeds
        self._scores = self.rough(seeds)

    def near(self, fresh: Mask, count: int) -> Rows:
        """Rows among which are the best.

        Args:
            fresh: Which rows count, (items,); new ones alone.
            count: How many are wanted, from 1.

        Returns:
            At least `count`, as far as there are so many.
        """
        bounds = np.where(fresh, self._bounds, np.float32(-1))
        bounds[self._rows] = -1
        least = self._least(fresh, count)
        left = np.flatnonzero(bounds >= max(least, np.float32(0)))
        while len(left):
            if len(left) > STEP:
                left = left[np.argsort(-bounds[left], kind="stable")]
            some, left = left[:STEP], left[STEP:]
            self._learn(some, least)
            least = self._least(fresh, count)
            left = left[bounds[left] >= least]
        return self._rows[fresh[self._rows] & (self._scores >= least)]

    def rough(self, rows: Rows) -> Floats:
        """Scores of some new items, (rows,), as exact as single precision is."""
        total = np.zeros(len(rows), np.float32)
        for part in self._parts:
            total += self._counted(part, rows)
        return total

    def _learn(self, rows: Rows, least: np.float32) -> None:
        """Compute the scores of those rows that may reach so much, part after part."""
        total = self._bounds[rows]
        for part, most in zip(self._parts, self._most, strict=True):
            total = total + self._counted(part, rows) - most[rows]
            worth = total >= least
            rows, total = rows[worth], total[worth]
        self._rows = np.concatenate([self._rows, rows])
        self._scores = np.concatenate([self._scores, total - self._slack])

    def _counted(self, part: tuple[Say, Way, np.float32], rows: Rows) -> Floats:
        """What a part's scores of some rows count."""
        say, way, peak = part
        known = np.maximum(way.rough(self._customer, rows), np.float32(0)) / peak
        return np.asarray(np.float32(say.weight) * known + np.float32(say.root) * np.sqrt(known))

    @cached_property
    def _most(self) -> list[Floats]:
        """The most that each part may count, (items,) each."""
        return [
            _most(say, np.minimum(way.bound(self._customer) / peak, np.float32(1)))
            for say, way, peak in self._parts
        ]

    @cached_property
    def _bounds(self) -> Floats:
        """What no score of a new item is above, (items,), from 0."""
        return sum(self._most, start=np.full(1, self._slack))

    def _least(self, fresh: Mask, count: int) -> np.float32:
        """What the best so many reach, but for rounding; -inf when there are not as many."""
        scores = self._scores[fresh[self._rows]]
        if len(scores) < count:
            return np.float32(-np.inf)
        place = len(scores) - count
        return np.float32(np.partition(scores, place)[place] - self._slack)


def _most(say: Say, known: Floats) -> Floats:
    """The most that a comparable score counts when it is not above these."""
    if say.root > 0 > say.weight:  # grows up to a summit, and falls behind it
        known = np.minimum(known, np.float32((say.root / (-2 * say.weight)) ** 2))
    counted = np.float32(say.weight) * known
    if say.root:
        np.sqrt(known, out=known)
        known *= np.float32(say.root)
        counted += known
    return np.asarray(np.maximum(counted, np.float32(0), out=counted))
