"""Rows about several customers and their items, as columns: one customer after the other."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """What all such columns have; a subclass adds those that say something of a row.

    Attributes:
        starts: Where each customer's rows begin, and where the last one's end, int64
            (customers + 1,).
        items: Number of each row's item, int32 (rows,).
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int32]

    @cached_property
    def customers(self) -> Places:
        """Number of each row's customer, (rows,), ascending."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    @property
    def lengths(self) -> Places:
        """How many rows each customer has, (customers,)."""
        return np.diff(self.starts)

    def part(self, first: int, last: int) -> Self:
        """The customers from `first` to before `last`, numbered anew from 0."""
        starts = self.starts[first : last + 1]
        return self._taken(np.arange(starts[0], starts[-1]), starts - starts[0])

    def picked(self, customers: Places) -> Self:
        """The rows of these customers, in their order."""
        lengths = self.lengths[customers]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.starts[customers] - starts[:-1], lengths) + np.arange(starts[-1])
        return self._taken(rows, starts)

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """Those rows alone, of the same customers.

        Args:
            kept: (rows,).
        """
        starts = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        return self._taken(np.flatnonzero(kept), starts)

    def _taken(self, rows: Places, starts: Places) -> Self:
        said = (one.name for one in fields(self) if one.name != "starts")
        return replace(self, starts=starts, **{name: getattr(self, name)[rows] for name in said})


def starts_of(customers: Places, count: int) -> Places:
    """Where the rows of each of so many customers begin, and where the last one's end.

    Args:
        customers: Number of each row's customer, ascending.
        count: Of customers.
    """
    return np.searchsorted(customers, np.arange(count + 1))
