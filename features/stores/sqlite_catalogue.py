"""Items and shelves in the SQLite file of the profiles."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from features.errors import InvalidItem, StoreUnavailable
from features.item import Item
from features.stores.codec import decode_item, encode_item
from features.stores.sqlite_file import SqliteFile

SCHEMA: Final = """
CREATE TABLE items (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE shelves (name TEXT PRIMARY KEY, items BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE changes (number INTEGER NOT NULL);
INSERT INTO changes VALUES (0)
"""

PAGE: Final = 1_000
"""Items that are read, or written, at a time."""

_GET_MANY = "SELECT body FROM items WHERE id IN (SELECT value FROM json_each(?))"
_PUT = "INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_NEXT = "SELECT id, body FROM items WHERE id > ? ORDER BY id LIMIT ?"
_PUT_SHELF = (
    "INSERT INTO shelves VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET items = excluded.items"
)


class SqliteCatalogue:
    """The `Catalogue` on SQLite.

    Args:
        file: Holds the tables of `SCHEMA`.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def get_many(self, items: Sequence[str]) -> dict[str, Item]:
        """Those items that are known."""
        wanted = msgspec.json.encode(items).decode()
        with self._file.reading() as connection:
            rows = connection.execute(_GET_MANY, (wanted,)).fetchall()
        found = [self._item(row[0]) for row in rows]
        return {item.id: item for item in found}

    def put_many(self, items: Iterable[Item]) -> int:
        """Add or replace items; returns how many."""
        rows = {item.id: encode_item(item) for item in items}
        if rows:
            with self._file.writing() as connection:
                connection.executemany(_PUT, sorted(rows.items()))
                _change(connection)
        return len(rows)

    def all(self) -> Iterator[Item]:
        """Every item, in the order of ids."""
        after = ""
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(_NEXT, (after, PAGE)).fetchall()
            if not rows:
                return
            for after, body in rows:  # noqa: B007 - the last id is where the next page begins
                yield self._item(body)

    def count(self) -> int:
        """How many items there are."""
        with self._file.reading() as connection:
            number: int = connection.execute("SELECT count(*) FROM items").fetchone()[0]
        return number

    def put_shelves(self, shelves: Mapping[str, Sequence[str]]) -> None:
        """Replace the named shelves; others stay."""
        rows = [(name, msgspec.msgpack.encode(items)) for name, items in shelves.items()]
        if rows:
            with self._file.writing() as connection:
                connection.executemany(_PUT_SHELF, rows)
                _change(connection)

    def shelves(self) -> dict[str, tuple[str, ...]]:
        """All shelves."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT name, items FROM shelves ORDER BY name").fetchall()
        return {name: msgspec.msgpack.decode(body, type=tuple[str, ...]) for name, body in rows}

    def version(self) -> int:
        """A number that changes with every change of items or shelves."""
        with self._file.reading() as connection:
            number: int = connection.execute("SELECT number FROM changes").fetchone()[0]
        return number

    def _item(self, body: bytes) -> Item:
        try:
            return decode_item(body)
        except InvalidItem as error:
            message = f"{self._file.path}: an item can't be read: {error}: send the catalogue again"
            raise StoreUnavailable(message) from error


def _change(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE changes SET number = number + 1")
