"""The catalogue as one process keeps it for answers.

A copy is immutable. What changes makes a new copy, and `serving.snapshot` swaps it in whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from features.item import Item
from features.stores.ports import Catalogue
from serving.packed import Drawn, Items, pack
from serving.ranking.view import ItemView, item_view

POPULAR = "popular"
"""Name of the shelf for everybody."""


def segment_shelf(segment: str) -> str:
    """Name of a segment's shelf."""
    return f"segment:{segment}"


@dataclass(frozen=True, eq=False)
class CatalogueCopy:
    """All items and shelves at one version.

    Attributes:
        version: The catalogue's own number.
        items: Item id → item, decoded when it is asked for.
        shelves: Shelf name → the view of its items, best first.
    """

    version: int
    items: Items
    shelves: Mapping[str, ItemView]

    @property
    def digest(self) -> int:
        """What tells its items from any others: their `items_digest`."""
        return self.items.digest

    def ready(self, items: Sequence[str], moment: int) -> list[Drawn | None]:
        """Items in JSON; None where a mail of that moment, microseconds since 1970, may not."""
        return self.items.ready(items, moment)

    def changed_between(self, earlier: int, later: int) -> bool:
        """Whether an item's window opened or closed after one moment and not after the other.

        Both in microseconds since 1970.
        """
        return self.items.changed_between(earlier, later)

    def with_items(self, items: Iterable[Item]) -> CatalogueCopy:
        """This copy with some items added or replaced, before the store is read again."""
        merged = self.items.changed(items)
        return replace(self, items=merged, shelves=_views(self.shelf_items(), merged))

    def is_like(self, other: CatalogueCopy) -> bool:
        """Whether another copy says the same and packs it no better."""
        same = self.digest == other.digest and self.shelf_items() == other.shelf_items()
        return same and self.items.over is None

    def shelf_items(self) -> dict[str, tuple[str, ...]]:
        """Shelf name → ids of its items, best first."""
        return {name: tuple(view.items) for name, view in self.shelves.items()}


def make_copy(
    version: int, items: Iterable[Item], shelves: Mapping[str, Sequence[str]]
) -> CatalogueCopy:
    """A copy of these items, of distinct ids, and shelves."""
    return copy_of(version, Items(*pack(items)), shelves)


def copy_of(version: int, items: Items, shelves: Mapping[str, Sequence[str]]) -> CatalogueCopy:
    """A copy of items that are packed already."""
    return CatalogueCopy(version, items, _views(shelves, items))


def read_catalogue(catalogue: Catalogue) -> CatalogueCopy:
    """A copy of the whole catalogue.

    Raises:
        StoreUnavailable: It does not answer.
    """
    # The version is read first: a change during the reading is then read again, never missed.
    return make_copy(catalogue.version(), catalogue.all(), catalogue.shelves())


def _views(shelves: Mapping[str, Sequence[str]], items: Items) -> dict[str, ItemView]:
    return {name: item_view(tuple(dict.fromkeys(shelf)), items) for name, shelf in shelves.items()}
