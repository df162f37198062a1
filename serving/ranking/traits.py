"""What few rules read of items, made when the first of them asks: other blocks cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.item import Item


@dataclass(frozen=True, eq=False)
class Traits:
    """Brands and prices of a list of items.

    Attributes:
        items: The items, None where the catalogue doesn't know one.
    """

    items: Sequence[Item | None]

    @cached_property
    def brand(self) -> NDArray[np.int64]:
        """Number of each item's brand, (items,); -1 without one."""
        return _numbered(None if item is None else item.brand for item in self.items)

    @cached_property
    def price(self) -> NDArray[np.float64]:
        """Price of each item, (items,); NaN without one."""
        prices = (None if item is None else item.price for item in self.items)
        return np.array([np.nan if price is None else price for price in prices], np.float64)

    @cached_property
    def currency(self) -> NDArray[np.int64]:
        """Number of each item's currency, (items,); -1 where none is said, as if that were one."""
        return _numbered(None if item is None else item.currency for item in self.items)


def _numbered(names: Iterable[str | None]) -> NDArray[np.int64]:
    """The same number for the same name, from 0; -1 for none."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) if name else -1 for name in names], int)
