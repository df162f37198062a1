"""The item side of ranking: what rules read of each item, as arrays beside a list of ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from serving.ranking.traits import Traits

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS = np.iinfo(np.int64)
"""Opens at its least and closes at its greatest value when an item has no window."""


@dataclass(frozen=True, eq=False)
class ItemView:
    """What rules read of items, aligned to a list of ids. Made once for a bundle and a catalogue.

    Attributes:
        items: Item id of each row.
        index: Item id → row.
        rank: Place of each row by popularity, int64, 0 first; breaks ties of scores.
        stocked: Whether each row is in the catalogue and in stock.
        opens: Available from, microseconds since 1970, int64.
        closes: Available before, microseconds since 1970, int64.
        windowed: Whether any row has an opening or a closing.
        category: Number of each row's narrowest category, int64; -1 without one.
        members: Category name → rows in it, at any depth.
        traits: Brands and prices.
        vectors: One for each row, (rows, factors), float32, of which the cosine tells how alike two
            items are; None where no model has any.
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
    traits: Traits
    vectors: NDArray[np.float32] | None = None

    @cached_property
    def by_rank(self) -> NDArray[np.int64]:
        """The rows in the order of their ranks, (rows,)."""
        rows = np.empty_like(self.rank)
        rows[self.rank] = np.arange(len(rows))
        return rows

    def available(self, now: datetime) -> NDArray[np.bool_]:
        """Which rows a mail of that moment may show, (rows,); not to be written to."""
        if not self.windowed:
            return self.stocked
        moment = microseconds(now)
        return self.stocked & (self.opens <= moment) & (moment < self.closes)

    def within(self, categories: Iterable[str]) -> NDArray[np.bool_]:
        """Which rows are in any of these categories, (rows,)."""
        inside = np.zeros(len(self.items), np.bool_)
        for name in categories:
            inside[self.members.get(name, [])] = True
        return inside

    def ranked(self, popularity: NDArray[np.float32]) -> ItemView:
        """The same items, ties of scores broken by another popularity, (items,)."""
        return replace(self, rank=_ranks(popularity))

    def rows(self, items: Iterable[str]) -> list[int]:
        """The rows of those items that are here, in the order given."""
        return [self.index[item] for item in items if item in self.index]


def item_view(
    items: Sequence[str],
    catalogue: Mapping[str, Item] | None,
    popularity: NDArray[np.float32] | None = None,
    vectors: NDArray[np.float32] | None = None,
) -> ItemView:
    """The view of a list of items.

    Args:
        items: Ids, unique: a bundle's items, a shelf, a stored slate.
        catalogue: Item id → item; an id that is not in it can't be shown. None when there is no
            catalogue at all: everything is available and nothing has a category.
        popularity: Breaks ties, (items,); the order of the list does when None.
        vectors: As `ItemView` has them.
    """
    count = len(items)
    known = [None if catalogue is None else catalogue.get(item) for item in items]
    opens, closes = _windows(known)
    category, members = _categories(known)
    return ItemView(
        items=items,
        index={item: row for row, item in enumerate(items)},
        rank=np.arange(count) if popularity is None else _ranks(popularity),
        stocked=np.array(
            [catalogue is None or (i is not None and i.in_stock) for i in known], bool
        ),
        opens=opens,
        closes=closes,
        windowed=bool((opens > ALWAYS.min).any() or (closes < ALWAYS.max).any()),
        category=category,
        members=members,
        traits=Traits(known),
        vectors=vectors,
    )


def _ranks(popularity: NDArray[np.float32]) -> NDArray[np.int64]:
    """The place of each row, the most popular first, ties in the order of rows."""
    rank = np.empty(len(popularity), np.int64)
    rank[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity))
    return rank


def _windows(known: Sequence[Item | None]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    opens = np.full(len(known), ALWAYS.min)
    closes = np.full(len(known), ALWAYS.max)
    for row, item in enumerate(known):
        if item is not None and item.available_from is not None:
            opens[row] = microseconds(item.available_from)
        if item is not None and item.available_until is not None:
            closes[row] = microseconds(item.available_until)
    return opens, closes


def _categories(
    known: Sequence[Item | None],
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    numbers: dict[str, int] = {}
    category = np.full(len(known), -1)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(known):
        if item is None or not item.categories:
            continue
        category[row] = numbers.setdefault(item.categories[-1], len(numbers))
        for name in item.categories:
            members[name].append(row)
    return category, {name: np.array(rows) for name, rows in members.items()}


def microseconds(moment: datetime) -> int:
    """A moment as views have it, microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)
