"""Ways to the greatest of a model's scores without a look at all of them."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.model.basket import Weights
from serving.model.longest import ROUNDING, Longest

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Way(Protocol):
    """Scores of some customers, as far as they are asked for."""

    def greatest(self, customer: int, closed: Rows, count: int) -> Rows:
        """The row of a customer's greatest score, if any is above 0, and other rows of great ones.

        Args:
            customer: Whose.
            closed: Rows that don't count, ascending.
            count: How many rows at the most, from 1.
        """
        ...

    def bound(self, customer: int) -> Floats:
        """What no score of a customer is above, (items,), from 0; not to be written to."""
        ...

    def rough(self, customer: int, rows: Rows) -> Floats:
        """Scores of some rows, (rows,), as exact as single precision is."""
        ...


class Mixed(Protocol):
    """Scores that several models make up together."""

    def near(self, customer: int, allowed: Mask, count: int) -> Rows:
        """Rows among which are a customer's best.

        Args:
            customer: Whose.
            allowed: Which rows count, (items,).
            count: How many are wanted, from 1.

        Returns:
            In any order, at least `count` as far as there are so many: the best, and others that
            rounding can't tell from the last.
        """
        ...

    def rough(self, customer: int, rows: Rows) -> Floats:
        """Scores of some rows, (rows,), as exact as single precision is."""
        ...


class Inner:
    """Scores that are inner products.

    Args:
        vectors: Of the customers, (customers, factors).
        items: Vectors of the items.
    """

    def __init__(self, vectors: Floats, items: Longest) -> None:
        self.vectors = vectors
        self.items = items

    def greatest(self, customer: int, closed: Rows, count: int) -> Rows:
        """The greatest, and the next of those that had to be looked at for it."""
        return self.items.everything.greatest(self.vectors[customer], closed, count)

    def bound(self, customer: int) -> Floats:
        """The product of both lengths."""
        reach = np.linalg.norm(self.vectors[customer]) * (1 + ROUNDING)
        return np.asarray(self.items.lengths * np.float32(reach))

    def rough(self, customer: int, rows: Rows) -> Floats:
        """Scores of some rows."""
        return self.items.products(self.vectors[customer], rows)


class Few:
    """Scores that are 0 but for few items.

    Args:
        told: (customers, items).
    """

    def __init__(self, told: Weights) -> None:
        self._told = told
        self._last: tuple[int, Floats] | None = None

    def of(self, customer: int) -> tuple[Rows, Floats]:
        """The rows of a customer that may not be 0, and their scores."""
        start, end = self._told.indptr[customer : customer + 2]
        return self._told.indices[start:end].astype(np.int64), self._told.data[start:end]

    def dense(self, customer: int) -> Floats:
        """All scores of one customer, (items,); not to be written to."""
        last = self._last
        if last is None or last[0] != customer:
            rows, scores = self.of(customer)
            dense = np.zeros(self._told.shape[1], np.float32)
            dense[rows] = scores
            last = self._last = customer, dense
        return last[1]

    def greatest(self, customer: int, closed: Rows, count: int) -> Rows:
        """The greatest."""
        rows, scores = self.of(customer)
        scores = np.where(among_sorted(rows, closed), np.float32(0), scores)
        if count < len(rows):
            return rows[np.argpartition(-scores, count)[:count]]
        return rows[scores > 0]

    def bound(self, customer: int) -> Floats:
        """The scores themselves, where they are above 0."""
        return np.maximum(self.dense(customer), np.float32(0))

    def rough(self, customer: int, rows: Rows) -> Floats:
        """Scores of some rows."""
        return self.dense(customer)[rows]


class Alike:
    """The same scores for everybody.

    Args:
        scores: (items,), from 0.
    """

    def __init__(self, scores: Floats) -> None:
        self._scores = scores

    @cached_property
    def _order(self) -> Rows:
        return np.argsort(-self._scores, kind="stable")

    def greatest(self, customer: int, closed: Rows, count: int) -> Rows:  # noqa: ARG002 - all alike
        """The greatest."""
        first = self._order[: count + len(closed)]
        return first[~among_sorted(first, closed)][:count]

    def bound(self, customer: int) -> Floats:  # noqa: ARG002 - all alike
        """The scores themselves."""
        return self._scores

    def rough(self, customer: int, rows: Rows) -> Floats:  # noqa: ARG002 - all alike
        """Scores of some rows."""
        return self._scores[rows]


def among_sorted(rows: Rows, others: Rows) -> Mask:
    """Which rows are among others, which ascend, (rows,)."""
    if not len(others):
        return np.zeros(len(rows), np.bool_)
    places = np.minimum(np.searchsorted(others, rows), len(others) - 1)
    return np.asarray(others[places] == rows)
