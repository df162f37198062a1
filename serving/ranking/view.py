"""The item side of ranking: what rules read of each item, as arrays beside a list of ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from features.item import Item


@dataclass(frozen=True, eq=False)
class ItemView:
    """What rules read of items, aligned to a list of ids. Made once for a bundle and a catalogue.

    Attributes:
        items: Item id of each row.
        index: Item id → row.
        rank: Place of each row by popularity, int64, 0 first; breaks ties of scores.
        stocked: Whether each row is in the catalogue and in stock.
        opens: Available from, seconds since 1970, int64.
        closes: Available before, seconds since 1970, int64.
        windowed: Whether any row has an opening or a closing.
        category: Number of each row's narrowest category, int64; −1 without one.
        members: Category name → rows in it, at any depth.
    """

    items: Sequence[str]
    index: Mapping[str, int]
    rank: NDArray[np.int64]
    stocked: NDArray[np.bool_]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    windowed: bool
    category: NDArray[np.int64]
    members: Mapping[str, NDArray[np.int64]]

    def available(self, now: datetime) -> NDArray[np.bool_]:
        """Which rows a mail of that moment may show, (rows,)."""
        raise NotImplementedError

    def within(self, categories: Iterable[str]) -> NDArray[np.bool_]:
        """Which rows are in any of these categories, (rows,)."""
        raise NotImplementedError


def item_view(
    items: Sequence[str],
    catalogue: Mapping[str, Item] | None,
    popularity: NDArray[np.float32] | None = None,
) -> ItemView:
    """The view of a list of items.

    Args:
        items: Ids, unique: a bundle's items, a shelf, a stored slate.
        catalogue: Item id → item; an id that is not in it can't be shown. None when there is no
            catalogue at all: everything is available and nothing has a category.
        popularity: Breaks ties, (items,); the order of the list does when None.
    """
    raise NotImplementedError
