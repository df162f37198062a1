"""The item side of ranking: what rules read of each item, as arrays beside a list of ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from serving.ranking.columns import ALWAYS, Columns, columns_of, microseconds, name_number
from serving.ranking.traits import Traits


@runtime_checkable
class Columned(Protocol):
    """A catalogue that keeps what rules read as columns."""

    def columns(self, items: Sequence[str]) -> Columns:
        """The columns of these items, in their order; of one that is not known too."""
        ...


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
        columns: What few rules read, a row each.
        vectors: One for each row, (rows, factors), float32, of which the cosine tells how alike two
            items are; None where no model has any.
        kept: What others worked out for this view, and keep with it.
    """

    items: Sequence[str]
    index: Mapping[str, int]
    rank: NDArray[np.int64]
    stocked: NDArray[np.bool_]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    windowed: bool
    columns: Columns
    vectors: NDArray[np.float32] | None = None
    kept: dict[object, tuple[int, object]] = field(default_factory=dict, repr=False)

    @cached_property
    def edges(self) -> list[int]:
        """The moments at which a window opens or closes, ascending."""
        if not self.windowed:
            return []
        edges = np.unique(np.concatenate([self.opens, self.closes]))
        return [edge for edge in edges.tolist() if ALWAYS.min < edge < ALWAYS.max]

    @cached_property
    def traits(self) -> Traits:
        """Brands, prices and narrowest categories."""
        return Traits(self.columns)

    @property
    def category(self) -> NDArray[np.int64]:
        """Number of each row's narrowest category, (rows,); -1 without one."""
        return self.traits.category

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
            inside[self._members(name)] = True
        return inside

    def _members(self, category: str) -> NDArray[np.int64]:
        """The rows in a category, at any depth."""
        numbers, rows = self._by_category
        number = name_number(category)
        return rows[np.searchsorted(numbers, number) : np.searchsorted(numbers, number, "right")]

    @cached_property
    def _by_category(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of categories, ascending, and beside each a row that is in it."""
        numbers, starts = self.columns.categories, self.columns.starts
        order = np.argsort(numbers, kind="stable")
        rows = np.repeat(np.arange(len(self.items)), np.diff(starts))
        return numbers[order], rows[order]

    def ranked(self, popularity: NDArray[np.float32]) -> ItemView:
        """The same items, ties of scores broken by another popularity, (items,)."""
        return replace(self, rank=_ranks(popularity), kept={})

    def rows(self, items: Iterable[str]) -> list[int]:
        """The rows of those items that are here, in the order given."""
        return [self.index[item] for item in items if item in self.index]


def item_view(
    items: Sequence[str],
    catalogue: Mapping[str, Item] | None,
    popularity: NDArray[np.float32] | None = None,
    vectors: NDArray[np.float32] | None = None,
    index: Mapping[str, int] | None = None,
) -> ItemView:
    """The view of a list of items.

    Args:
        items: Ids, unique: a bundle's items, a shelf, a stored slate.
        catalogue: Item id → item; an id that is not in it can't be shown. None when there is no
            catalogue at all: everything is available and nothing has a category.
        popularity: Breaks ties, (items,); the order of the list does when None.
        vectors: As `ItemView` has them.
        index: Item id → row, where that is known already.
    """
    count = len(items)
    columns = _columns(items, catalogue)
    opens, closes = columns.opens, columns.closes
    return ItemView(
        items=items,
        index={item: row for row, item in enumerate(items)} if index is None else index,
        rank=np.arange(count) if popularity is None else _ranks(popularity),
        stocked=np.ones(count, np.bool_) if catalogue is None else columns.stocked.view(np.bool_),
        opens=opens,
        closes=closes,
        windowed=bool((opens > ALWAYS.min).any() or (closes < ALWAYS.max).any()),
        columns=columns,
        vectors=vectors,
    )


def _columns(items: Sequence[str], catalogue: Mapping[str, Item] | None) -> Columns:
    if catalogue is None:
        return columns_of([None] * len(items))
    if isinstance(catalogue, Columned):
        return catalogue.columns(items)
    return columns_of([catalogue.get(item) for item in items])


def _ranks(popularity: NDArray[np.float32]) -> NDArray[np.int64]:
    """The place of each row, the most popular first, ties in the order of rows."""
    rank = np.empty(len(popularity), np.int64)
    rank[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity))
    return rank
