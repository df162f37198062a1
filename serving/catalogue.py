"""The catalogue as one process keeps it: in memory for answers, on local disk for a start without.

A copy is immutable. What changes makes a new copy, and `serving.snapshot` swaps it in whole.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from features.item import Item
from features.stores.codec import items_digest
from features.stores.ports import Catalogue
from serving.files import write_atomically
from serving.ranking.columns import ALWAYS, microseconds
from serving.ranking.view import ItemView, item_view
from serving.slate import draw

POPULAR = "popular"
"""Name of the shelf for everybody."""


def segment_shelf(segment: str) -> str:
    """Name of a segment's shelf."""
    return f"segment:{segment}"


class Drawn(NamedTuple):
    """An item as an answer shows it, in JSON, but for its position and its reason.

    Attributes:
        head: From behind the position to `"because":`.
        tail: From the comma behind the reason to the last field.
    """

    head: bytes
    tail: bytes


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

    @cached_property
    def digest(self) -> int:
        """What tells its items from any others: their `items_digest`."""
        return items_digest(self.items.values())

    def drawn(self, item: str) -> Drawn | None:
        """The item in JSON; None when the catalogue doesn't know it."""
        known = self.items.get(item)
        return None if known is None else draw_item(known)

    def showable(self, item: str, moment: int) -> bool:
        """Whether a mail of that moment, microseconds since 1970, may show the item."""
        known = self.items.get(item)
        if known is None or not known.in_stock:
            return False
        opens, closes = _window(known)
        return opens <= moment < closes

    def changed_between(self, earlier: int, later: int) -> bool:
        """Whether an item's window opened or closed after one moment and not after the other.

        Both in microseconds since 1970.
        """
        return bisect_right(self._edges, later) > bisect_right(self._edges, earlier)

    @cached_property
    def _edges(self) -> list[int]:
        edges = [edge for item in self.items.values() for edge in _window(item)]
        return sorted({edge for edge in edges if edge not in {ALWAYS.min, ALWAYS.max}})

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


def make_copy(
    version: int, items: Iterable[Item], shelves: Mapping[str, Sequence[str]]
) -> CatalogueCopy:
    """A copy of these items and shelves."""
    known = {item.id: item for item in items}
    return CatalogueCopy(version, known, _views(shelves, known))


def draw_item(item: Item) -> Drawn:
    """An item in JSON, as `msgspec` encodes what `serving.slate.draw` gives."""
    body = msgspec.json.encode(draw(item, 0))
    # Inside of a text every quotation mark is escaped: the first such place is the field itself.
    place = body.index(b',"because":null,') + len(b',"because":')
    return Drawn(body[len(b'{"position":0,') : place], body[place + len(b"null") : -1])


def _window(item: Item) -> tuple[int, int]:
    opens, closes = item.available_from, item.available_until
    return (
        int(ALWAYS.min) if opens is None else microseconds(opens),
        int(ALWAYS.max) if closes is None else microseconds(closes),
    )


def read_catalogue(catalogue: Catalogue) -> CatalogueCopy:
    """A copy of the whole catalogue.

    Raises:
        StoreUnavailable: It does not answer.
    """
    # The version is read first: a change during the reading is then read again, never missed.
    version = catalogue.version()
    return make_copy(version, catalogue.all(), catalogue.shelves())


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
    # Whatever version the store has now, it is read at the first chance.
    return make_copy(-1, stored.items, stored.shelves)


def _views(shelves: Mapping[str, Sequence[str]], items: Mapping[str, Item]) -> dict[str, ItemView]:
    return {name: item_view(tuple(dict.fromkeys(shelf)), items) for name, shelf in shelves.items()}
