"""What few rules read of items, made when the first of them asks: other blocks cost nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from serving.ranking.columns import NO_NAME, NO_PRICE, Columns


@dataclass(frozen=True, eq=False)
class Traits:
    """Brands, prices and narrowest categories of a list of items.

    Attributes:
        columns: Of the items.
    """

    columns: Columns

    @cached_property
    def brand(self) -> NDArray[np.int64]:
        """Number of each item's brand, (items,); -1 without one."""
        return _counted(self.columns.brand)

    @cached_property
    def price(self) -> NDArray[np.float64]:
        """Price of each item, (items,); NaN without one."""
        price = self.columns.price
        return np.where(price == NO_PRICE, np.nan, price)

    @cached_property
    def currency(self) -> NDArray[np.int64]:
        """Number of each item's currency, (items,); -1 where none is said, as if that were one."""
        return _counted(self.columns.currency)

    @cached_property
    def category(self) -> NDArray[np.int64]:
        """Number of each item's narrowest category, (items,); -1 without one."""
        starts, numbers = self.columns.starts, self.columns.categories
        found = np.diff(starts) > 0
        narrowest = np.full(len(found), NO_NAME)
        narrowest[found] = numbers[starts[1:][found] - 1]
        return _counted(narrowest)


def _counted(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same names numbered from 0, in the order of their first rows; -1 stays for none."""
    counted = np.full(len(numbers), NO_NAME)
    named = numbers != NO_NAME
    _, first, of = np.unique(numbers[named], return_index=True, return_inverse=True)
    counted[named] = np.argsort(np.argsort(first))[of]
    return counted
