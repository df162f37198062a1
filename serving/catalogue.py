"""The catalogue as one process keeps it: in memory for answers, on local disk for a start without.

A copy is immutable. What changes makes a new copy, and `serving.snapshot` swaps it in whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from features.item import Item
from features.stores.ports import Catalogue
from serving.files import write_atomically
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
        items: Item id → item.
        shelves: Shelf name → the view of its items, best first.
    """

    version: int
    items: Mapping[str, Item]
    shelves: Mapping[str, ItemView]

    def with_items(self, items: Iterable[Item]) -> CatalogueCopy:
        """This copy with some items added or replaced, before the store is read again."""
        merged = {**self.items, **{item.id: item for item in items}}
        names = {name: tuple(view.items) for name, view in self.shelves.items()}
        return replace(self, items=merged, shelves=_views(names, merged))


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """A copy as the disk keeps it."""

    version: int
    items: tuple[Item, ...]
    shelves: dict[str, tuple[str, ...]]


def read_catalogue(catalogue: Catalogue) -> CatalogueCopy:
    """A copy of the whole catalogue.

    Raises:
        StoreUnavailable: It does not answer.
    """
    # The version is read first: a change during the reading is then read again, never missed.
    version = catalogue.version()
    items = {item.id: item for item in catalogue.all()}
    return CatalogueCopy(version, items, _views(catalogue.shelves(), items))


def save_copy(copy: CatalogueCopy, path: Path) -> None:
    """Keep a copy on local disk.

    Raises:
        OSError: It can't be written; the one before is still there.
    """
    shelves = {name: tuple(view.items) for name, view in copy.shelves.items()}
    stored = _Stored(copy.version, tuple(copy.items.values()), shelves)
    write_atomically(path, msgspec.msgpack.encode(stored))


def load_copy(path: Path) -> CatalogueCopy | None:
    """The copy on local disk; None when there is none that can be read."""
    try:
        stored = msgspec.msgpack.decode(path.read_bytes(), type=_Stored)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    items = {item.id: item for item in stored.items}
    # Whatever version the store has now, it is read at the first chance.
    return CatalogueCopy(-1, items, _views(stored.shelves, items))


def _views(shelves: Mapping[str, Sequence[str]], items: Mapping[str, Item]) -> dict[str, ItemView]:
    return {name: item_view(tuple(dict.fromkeys(shelf)), items) for name, shelf in shelves.items()}
