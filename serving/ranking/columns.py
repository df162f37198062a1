"""What rules read of items, as columns: a catalogue keeps them so, and views take their rows.

Names of brands, currencies and categories stand there as numbers (`name_number`), so that columns
of different origin can be joined and no table of names goes with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from features.item import Item

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
ALWAYS = np.iinfo(np.int64)
"""Opens at its least and closes at its greatest value when an item has no window."""
NO_NAME = -1
"""The number of no name."""
NO_PRICE = -1.0
_NAMES = 1 << 16


@dataclass(frozen=True, eq=False)
class Columns:
    """What rules read of items, a row each.

    Attributes:
        stocked: 1 when the item is known and in stock, uint8 (rows,).
        opens: Available from, microseconds since 1970, int64 (rows,).
        closes: Available before, microseconds since 1970, int64 (rows,).
        price: `NO_PRICE` without one, float64 (rows,).
        brand: Number of its name, int64 (rows,).
        currency: Number of its name, int64 (rows,).
        starts: Where each row's categories begin in `categories`, and their end, int64 (rows + 1,).
        categories: Numbers of the names, of each row from the broadest to the narrowest, int64.
    """

    stocked: NDArray[np.uint8]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    price: NDArray[np.float64]
    brand: NDArray[np.int64]
    currency: NDArray[np.int64]
    starts: NDArray[np.int64]
    categories: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """These rows, (rows,), in this order; a row may come often."""
        begins = self.starts[:-1][rows]
        counts = self.starts[1:][rows] - begins
        starts = np.concatenate(([0], np.cumsum(counts)))
        places = np.repeat(begins - starts[:-1], counts) + np.arange(starts[-1])
        return Columns(
            stocked=self.stocked[rows],
            opens=self.opens[rows],
            closes=self.closes[rows],
            price=self.price[rows],
            brand=self.brand[rows],
            currency=self.currency[rows],
            starts=starts,
            categories=self.categories[places],
        )


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of all parts, one part below the other; there is at least one."""
    all_of = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Columns)
    }
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    all_of["starts"] = np.concatenate(([0], np.cumsum(counts)))
    return Columns(**all_of)


def columns_of(items: Sequence[Item | None]) -> Columns:
    """The columns of items, None for one that is not known."""
    windows = [window_of(item) for item in items]
    names = [() if item is None else item.categories for item in items]
    prices = (None if item is None else item.price for item in items)
    return Columns(
        stocked=np.array([item is not None and item.in_stock for item in items], np.uint8),
        opens=np.array([opens for opens, _ in windows], np.int64),
        closes=np.array([closes for _, closes in windows], np.int64),
        price=np.array([NO_PRICE if price is None else price for price in prices], np.float64),
        brand=np.array([name_number(item and item.brand) for item in items], np.int64),
        currency=np.array([name_number(item and item.currency) for item in items], np.int64),
        starts=np.cumsum([0, *map(len, names)], dtype=np.int64),
        categories=np.array([name_number(name) for of_item in names for name in of_item], np.int64),
    )


def window_of(item: Item | None) -> tuple[int, int]:
    """When the item becomes available and when it ceases to be, microseconds since 1970."""
    opens, closes = int(ALWAYS.min), int(ALWAYS.max)
    if item is not None and item.available_from is not None:
        opens = microseconds(item.available_from)
    if item is not None and item.available_until is not None:
        closes = microseconds(item.available_until)
    return opens, closes


@lru_cache(_NAMES)
def name_number(name: str | None) -> int:
    """The number that stands for a name, from 0: 63 bits of its digest (BLAKE2b, RFC 7693).

    `NO_NAME` for none and for an empty one.
    """
    if not name:
        return NO_NAME
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def microseconds(moment: datetime) -> int:
    """A moment as columns have it, microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND
