"""Exact search by inner product: items' vectors in the order of their lengths.

An inner product is at most the product of both lengths (Cauchy & Schwarz). So once the best so far
score more than the length of the next item's vector can give, no item behind it can be among them:
the rest need not be looked at (Teflioudi, Gemulla & Mykytiuk, "LEMP: Fast Retrieval of Large
Entries in a Matrix Product", 2015). Vectors of items that few people want are short, so that of
most catalogues one item in fifty is looked at, and what comes out is what a look at all would give.

Where all vectors are about as long, all of them have to be looked at. That is fast enough up to
`EXACT` items. Of more, an answer looks at `LIMIT` at the most and may miss some of the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEAD: Final = 4_096
"""So many of the longest vectors lie together in memory: nearly always enough."""
FIRST: Final = 512
"""So many of them are looked at first."""
ROUNDING: Final = 2e-6
"""How far an inner product in single precision may be off, as a part of the product of lengths."""
GROWS: Final = 4
"""How many times what was looked at is looked at next."""
MOST: Final = 0.25
"""Beyond this part of all items it is faster to look at them in their own order."""

LEAST: Final = np.finfo(np.float32).min

EXACT: Final = 1_000_000
"""Up to so many items that may come, the best are always found: all of a million products take 15
to 25 ms."""
LIMIT: Final = 1 << 18
"""Beyond, so many are looked at at the most: they lie apart in memory and take about as long."""

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Longest:
    """Vectors of items, and the order of their lengths.

    Attributes:
        factors: (items, factors).
    """

    factors: Floats

    @cached_property
    def lengths(self) -> Floats:
        """Of each item's vector, (items,)."""
        return np.asarray(np.sqrt(np.einsum("if,if->i", self.factors, self.factors)))

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """The rows, the longest vector's first, (items,)."""
        return np.argsort(-self.lengths, kind="stable").astype(np.int32)

    @cached_property
    def everything(self) -> Among:
        """All items."""
        return Among(self, self.order)

    def products(self, vector: Floats, rows: NDArray[np.integer[Any]]) -> Floats:
        """Inner products of a customer's vector with some of the items', (rows,)."""
        if len(rows) > MOST * len(self.factors):
            return np.asarray((self.factors @ vector)[rows])
        return np.asarray(self.factors[rows] @ vector)

    def among(self, eligible: Mask) -> Among:
        """Those that may come, (items,)."""
        rows = self.order[eligible[self.order]]
        return Among(self, rows)


class Among:
    """The items that may come, the longest first.

    Args:
        longest: All of them.
        rows: Those that may come, in that order.
    """

    def __init__(self, longest: Longest, rows: NDArray[np.int32]) -> None:
        self._all = longest
        self._rows = rows
        self._most = len(rows) if len(rows) <= EXACT else LIMIT
        self._short = -longest.lengths[rows]
        self._head = longest.factors[rows[:HEAD]]
        self._place = np.full(len(longest.factors), len(rows), np.int32)
        self._place[rows] = np.arange(len(rows), dtype=np.int32)

    def best(self, vectors: Floats, closed: Sequence[Rows], count: int) -> list[Rows]:
        """The rows that may be among the best of each customer.

        Args:
            vectors: Of customers, (customers, factors).
            closed: Rows that may not come to each.
            count: How many are wanted, from 1.

        Returns:
            Of each customer at least `count` rows, as far as there are so many, in any order:
            those of the greatest inner products, and others that rounding can't tell from the last.
        """
        reach = np.sqrt(np.einsum("cf,cf->c", vectors, vectors))
        slack = reach * (ROUNDING * -self._short[:1].min(initial=0))
        scores = vectors @ self._head[:FIRST].T
        for customer, rows in enumerate(closed):
            self._close(scores[customer], self._place[rows])
        found: list[Rows] = []
        for customer, vector in enumerate(vectors):
            seen, bound = self._searched(
                scores[customer], vector, closed[customer], (reach[customer], count)
            )
            # Closed rows are no score at all, not even the least.
            near = np.flatnonzero(seen >= max(bound - slack[customer], LEAST))
            found.append(self._rows[near].astype(np.int64))
        return found

    def greatest(self, vector: Floats, closed: Rows, count: int) -> Rows:
        """The row of the greatest inner product, and the next of those that were looked at for it.

        Args:
            vector: Of a customer, (factors,).
            closed: Rows that may not come.
            count: How many at the most, from 1.
        """
        seen = self._head[:FIRST] @ vector
        self._close(seen, self._place[closed])
        seen, _ = self._searched(seen, vector, closed, (np.float32(np.linalg.norm(vector)), 1))
        if count < len(seen):
            places = np.argpartition(-seen, count)[:count]
        else:
            places = np.flatnonzero(seen > -np.inf)
        return self._rows[places].astype(np.int64)

    def _searched(
        self, seen: Floats, vector: Floats, closed: Rows, wanted: tuple[np.float32, int]
    ) -> tuple[Floats, np.float32]:
        """Scores of as many rows as need be looked at, and the least of the best."""
        reach, count = wanted
        while True:
            bound = _least(seen, count)
            need = self._needed(bound, reach)
            if need <= len(seen):
                return seen, bound
            end = min(need, GROWS * len(seen))
            more = self._scores(vector, len(seen), end)
            seen = np.concatenate([seen, more])
            self._close(seen, self._place[closed])

    def _needed(self, bound: np.float32, reach: np.float32) -> int:
        """How many rows could score as much, as far as they are to be looked at."""
        if bound <= 0 or not reach:
            return self._most
        least = bound / reach * (1 - ROUNDING)
        return min(int(np.searchsorted(self._short, -least, side="right")), self._most)

    def _scores(self, vector: Floats, start: int, end: int) -> Floats:
        """Scores of some of the rows, by their places."""
        if end <= len(self._head):
            return np.asarray(self._head[start:end] @ vector)
        return self._all.products(vector, self._rows[start:end])

    @staticmethod
    def _close(scores: Floats, places: NDArray[np.int32]) -> None:
        scores[places[places < len(scores)]] = -np.inf


def _least(scores: Floats, count: int) -> np.float32:
    """The least of the best so many scores; -inf when there are not as many."""
    if len(scores) < count:
        return np.float32(-np.inf)
    place = len(scores) - count
    return np.float32(np.partition(scores, place)[place])


def inner_products(vector: Floats, factors: Floats) -> NDArray[np.float64]:
    """Of one customer's vector with some items', (items,); the same to the bit for any others."""
    products = factors.astype(np.float64) * vector
    return np.asarray(products.sum(axis=1))
