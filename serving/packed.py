"""Items as a few flat arrays: what is memory-mapped, shared by workers, and read without decoding.

An item stands there three times: as MessagePack, from which it is decoded when a whole item is
wanted; in the columns that rules read; and as a record, which is all that an answer wants of it, in
one place: its window, its id, and how it is shown, in JSON. Records are found through a table of
their ids' CRC-32 (open addressing, Knuth, TAOCP 6.4): no dictionary has to be built at a start, and
a worker keeps nothing of its own.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.item import Item
from features.stores.codec import DIGESTS, decode_item, encode_item, item_digest
from serving.model.arrays import Array
from serving.ranking.columns import ALWAYS, Columns, columns_of, joined
from serving.slate import draw

UNKNOWN: Final = -1
"""The row of an item that is not there; as an index it means the last row of `columns`."""
_PORTION: Final = 1_000
_ROOM: Final = 1 << 16
_HEAD: Final = Struct("<qqiIII")
"""Begins a record: when the item opens and closes, its row, the lengths of its id and of all that
stands before its tail, and of the whole text."""
_COLUMNS: Final = tuple(Columns.__dataclass_fields__)


Drawn = tuple[bytes, bytes]
"""An item as an answer shows it, in JSON, but for its position and its reason: from behind the
position to `"because":`, and from the comma behind the reason to the last field."""

_NEVER: Final[tuple[int, int, Drawn]] = 0, 0, (b"", b"")
DRAWN: Final = 4_096
"""Items whose records stay cut up: some 3 MiB. Most of what a shop recommends is far fewer items
than it has, and looking one up takes ten times as long."""


class Packed:
    """Items as arrays; a row each, in the order in which they were packed.

    Args:
        arrays: As `pack` gives them, or memory-mapped.

    Attributes:
        arrays: The same.
        columns: What rules read, and one row more at the end, of an item that is not known.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays
        self.columns = Columns(**{name: arrays[name] for name in _COLUMNS})
        # Views of memory give plain numbers and bytes several times as fast as arrays do.
        self._bodies, self._body_starts = _views(arrays, "bodies")
        self._records, self._record_starts = _views(arrays, "records")
        table = arrays["slots"].data, self._records
        self._found = partial(_find, *table)
        self._drawn = lru_cache(DRAWN)(partial(_draw, *table))
        self._edges = arrays["edges"].data
        self._asked: tuple[Sequence[str], NDArray[np.int64]] = (), np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._record_starts) - 1

    def __iter__(self) -> Iterator[str]:
        starts, records = self._record_starts, self._records
        for row in range(len(self)):
            begin = starts[row] + _HEAD.size
            length = _HEAD.unpack_from(records, starts[row])[3]
            yield str(records[begin : begin + length], "utf-8")

    def rows(self, items: Sequence[str]) -> NDArray[np.int64]:
        """The rows of many items, (items,); not to be written to.

        Those of the longest list are remembered: a bundle's items are asked for at every change.
        """
        asked, rows = self._asked
        if asked is items:
            return rows
        rows = np.fromiter((self.row(item) for item in items), np.int64, len(items))
        if len(items) >= len(asked):
            self._asked = items, rows
        return rows

    def body(self, row: int) -> bytes:
        """A row's item, as `features.stores.codec.encode_item` gave it."""
        starts = self._body_starts
        return bytes(self._bodies[starts[row] : starts[row + 1]])

    def ready(self, items: Iterable[str], moment: int) -> list[Drawn | None]:
        """Items in JSON; None in place of those that a mail of that moment may not show.

        Args:
            items: Ids, of items that are there or not.
            moment: Microseconds since 1970.
        """
        return [
            drawn if opens <= moment < closes else None
            for opens, closes, drawn in map(self._drawn, items)
        ]

    def changed_between(self, earlier: int, later: int) -> bool:
        """Whether an item's window opened or closed after one moment and not after the other."""
        edges = self._edges
        return bisect_right(edges, later) > bisect_right(edges, earlier)

    def row(self, item: str) -> int:
        """The row of an item; `UNKNOWN` when it is not there."""
        found = self._found(item)
        return UNKNOWN if found is None else found[0][2]


class Items(Mapping[str, Item]):
    """Packed items, and over them those that have changed since.

    Args:
        packed: The items.
        digest: Their `items_digest`.
        over: Items that stand in place of packed ones, or beside them.

    Attributes:
        packed: The items without the changes.
        over: The changes; None without any.
        digest: What tells all items from any others: their `items_digest`.
    """

    def __init__(self, packed: Packed, digest: int, over: Packed | None = None) -> None:
        self.packed = packed
        self.digest = digest
        self.over = over
        self._more = [] if over is None else [name for name in over if packed.row(name) == UNKNOWN]

    def changed(self, items: Iterable[Item]) -> Items:
        """These items with some added or replaced."""
        new = {item.id: item for item in items}
        if not new:
            return self
        before = [self._layer(item) for item in new]
        gone = sum(item_digest(layer.body(row)) for layer, row in before if row != UNKNOWN)
        kept = {} if self.over is None else {name: self[name] for name in self.over}
        over, _ = pack({**kept, **new}.values())
        come = sum(item_digest(encode_item(item)) for item in new.values())
        return Items(self.packed, (self.digest - gone + come) % DIGESTS, over)

    def ready(self, items: Sequence[str], moment: int) -> list[Drawn | None]:
        """Items in JSON; None in place of those that a mail of that moment may not show.

        Args:
            items: Ids, of items that are there or not.
            moment: Microseconds since 1970.
        """
        if self.over is None:
            return self.packed.ready(items, moment)
        return [self._layer(item)[0].ready((item,), moment)[0] for item in items]

    def columns(self, items: Sequence[str]) -> Columns:
        """What rules read of these items, in their order; of one that is not there too."""
        rows, columns = self.packed.rows(items), self.packed.columns
        if self.over is not None:
            over = self._rows_over(self.over, items, rows)
            rows = np.where(over == UNKNOWN, rows, len(self.packed) + 1 + over)
            columns = joined((columns, self.over.columns))
        return columns.take(rows)

    def changed_between(self, earlier: int, later: int) -> bool:
        """Whether an item's window opened or closed after one moment and not after the other.

        A window that a change has taken away counts on, until the items are packed again.
        """
        if self.packed.changed_between(earlier, later):
            return True
        return self.over is not None and self.over.changed_between(earlier, later)

    def __len__(self) -> int:
        return len(self.packed) + len(self._more)

    def __iter__(self) -> Iterator[str]:
        yield from self.packed
        yield from self._more

    def __contains__(self, item: object) -> bool:
        return isinstance(item, str) and self._layer(item)[1] != UNKNOWN

    def __getitem__(self, item: str) -> Item:
        layer, row = self._layer(item)
        if row == UNKNOWN:
            raise KeyError(item)
        return decode_item(layer.body(row))

    def _rows_over(
        self, over: Packed, items: Sequence[str], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The rows of items among the changes, (items,), without a look at each item."""
        above = np.full(len(self.packed) + 1, UNKNOWN)
        below = np.array([self.packed.row(name) for name in over])
        there = below != UNKNOWN
        above[below[there]] = np.flatnonzero(there)
        found = above[rows]
        if self._more:
            for place in np.flatnonzero(rows == UNKNOWN).tolist():
                found[place] = over.row(items[place])
        return found

    def _layer(self, item: str) -> tuple[Packed, int]:
        """Where an item is, and its row there."""
        if self.over is not None and (row := self.over.row(item)) != UNKNOWN:
            return self.over, row
        return self.packed, self.packed.row(item)


def pack(items: Iterable[Item]) -> tuple[Packed, int]:
    """Items of distinct ids, packed, and their `items_digest`."""
    digest = 0
    bodies, records = _Texts(), _Texts()
    sums, places = array("q"), array("q")
    columns: list[Columns] = []
    source = iter(items)
    while portion := list(islice(source, _PORTION)):
        of_portion = columns_of(portion)
        columns.append(of_portion)
        for number, item in enumerate(portion):
            body = encode_item(item)
            digest += item_digest(body)
            bodies.add(body)
            name = item.id.encode()
            sums.append(crc32(name))
            places.append(records.starts[-1])
            records.add(_record(item, name, len(places) - 1, of_portion, number))
    of_all = joined((*columns, columns_of([None])))
    edges = np.unique(np.concatenate((of_all.opens, of_all.closes)))
    arrays = {
        **bodies.arrays("bodies"),
        **records.arrays("records"),
        "slots": _slots(sums, places),
        "edges": edges[(edges != ALWAYS.min) & (edges != ALWAYS.max)],
        **{name: getattr(of_all, name) for name in _COLUMNS},
    }
    return Packed(arrays), digest % DIGESTS


def _find(
    slots: memoryview, records: memoryview, item: str
) -> tuple[tuple[int, ...], bytes] | None:
    """What begins the record of an item, and its text; None when it is not there.

    Args:
        slots: As `_slots` makes them.
        records: What they point to.
        item: An id.
    """
    name = item.encode("utf-8", "surrogatepass")
    last = len(slots) - 1
    slot = crc32(name) & last
    while (place := slots[slot]) != UNKNOWN:
        head = _HEAD.unpack_from(records, place)
        begin = place + _HEAD.size
        text = bytes(records[begin : begin + head[5]])
        if text.startswith(name) and head[3] == len(name):
            return head, text
        slot = (slot + 1) & last
    return None


def _draw(slots: memoryview, records: memoryview, item: str) -> tuple[int, int, Drawn]:
    """When an item opens and closes, and how it is shown; one that is not there never opens."""
    found = _find(slots, records, item)
    if found is None:
        return _NEVER
    (opens, closes, _, name, tail, _), text = found
    return opens, closes, (text[name:tail], text[tail:])


def draw_item(item: Item) -> Drawn:
    """An item in JSON, as `msgspec` encodes what `serving.slate.draw` gives."""
    body = msgspec.json.encode(draw(item, 0))
    # Inside of a text every quotation mark is escaped: the first such place is the field itself.
    place = body.index(b',"because":null,') + len(b',"because":')
    return body[len(b'{"position":0,') : place], body[place + len(b"null") : -1]


def _record(item: Item, name: bytes, row: int, columns: Columns, number: int) -> bytes:
    """An item's record: `_HEAD`, then its id, head and tail.

    Args:
        item: The item.
        name: Its id.
        row: Of all items.
        columns: Of some of them.
        number: The item's among those. One that is out of stock never opens.
    """
    before, behind = draw_item(item)
    closes = int(columns.closes[number])
    opens = int(columns.opens[number]) if columns.stocked[number] else closes
    tail = len(name) + len(before)
    begin = _HEAD.pack(opens, closes, row, len(name), tail, tail + len(behind))
    return b"".join((begin, name, before, behind))


class _Texts:
    """Texts one after another, and where each begins.

    They are in memory of their own, which goes back to the system as a whole: on the heap, tens of
    megabytes of a catalogue would leave room behind that other workers could use.
    """

    def __init__(self) -> None:
        self.text = mmap(-1, _ROOM, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        self.starts = array("q", [0])

    def add(self, text: bytes) -> None:
        begin = self.starts[-1]
        end = begin + len(text)
        if end > len(self.text):
            self.text.resize(max(end, 2 * len(self.text)))
        self.text[begin:end] = text
        self.starts.append(end)

    def arrays(self, name: str) -> dict[str, Array]:
        """As `Packed` takes them."""
        starts = np.array(self.starts, np.int64)
        return {name: np.frombuffer(self.text, np.uint8, starts[-1]), _starts(name): starts}


def _starts(name: str) -> str:
    return f"{name}_starts"


def _views(arrays: Mapping[str, Array], name: str) -> tuple[memoryview, memoryview]:
    """Texts and their starts."""
    return arrays[name].data, arrays[_starts(name)].data


def _slots(sums: Sequence[int], places: Sequence[int]) -> NDArray[np.int64]:
    """The table that finds records: at least two slots a record, a power of two of them.

    Args:
        sums: The CRC-32 of each id.
        places: Where its record begins.
    """
    slots = array("q", [UNKNOWN]) * (1 << (2 * len(places)).bit_length())
    last = len(slots) - 1
    for number, place in zip(sums, places, strict=True):
        slot = number & last
        while slots[slot] != UNKNOWN:
            slot = (slot + 1) & last
        slots[slot] = place
    return np.array(slots, np.int64)
