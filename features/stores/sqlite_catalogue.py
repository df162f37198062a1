"""Items, overrides and shelves in the SQLite file of the profiles."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from features.errors import InvalidItem, StoreUnavailable
from features.item import Item
from features.override import Override, with_overrides
from features.stores.codec import decode_item, decode_overrides, encode_item, encode_overrides
from features.stores.ports import OverridesAt
from features.stores.sqlite_file import SqliteFile

SCHEMA: Final = """
CREATE TABLE items (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE shelves (name TEXT PRIMARY KEY, items BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE changes (number INTEGER NOT NULL);
INSERT INTO changes VALUES (0)
"""

OVERRIDES_SCHEMA: Final = """
CREATE TABLE overrides (number INTEGER NOT NULL, body BLOB);
INSERT INTO overrides VALUES (0, NULL)
"""

PAGE: Final = 1_000
"""Items that are read, or written, at a time."""

_GET_MANY = "SELECT body FROM items WHERE id IN (SELECT value FROM json_each(?))"
_PUT = "INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_NEXT = "SELECT id, body FROM items WHERE id > ? ORDER BY id LIMIT ?"
_OVERRIDES = "SELECT number, body FROM overrides"
_PUT_SHELF = (
    "INSERT INTO shelves VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET items = excluded.items"
)


class SqliteCatalogue:
    """The `Catalogue` on SQLite.

    Args:
        file: Holds the tables of `SCHEMA` and `OVERRIDES_SCHEMA`.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def get_many(self, items: Sequence[str]) -> dict[str, Item]:
        """Those items that are known."""
        wanted = msgspec.json.encode(items).decode()
        rows = self._file.rows(_GET_MANY, (wanted,))
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
            rows = self._file.rows(_NEXT, (after, PAGE))
            if not rows:
                # Nobody reads these pages again soon: they need not be in every process.
                self._file.rows("PRAGMA shrink_memory")
                return
            for after, body in rows:  # noqa: B007 - the last id is where the next page begins
                yield self._item(body)

    def count(self) -> int:
        """How many items there are."""
        number: int = self._file.rows("SELECT count(*) FROM items")[0][0]
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
        rows = self._file.rows("SELECT name, items FROM shelves ORDER BY name")
        return {name: msgspec.msgpack.decode(body, type=tuple[str, ...]) for name, body in rows}

    def version(self) -> int:
        """A number that changes with every change of items or shelves."""
        number: int = self._file.rows("SELECT number FROM changes")[0][0]
        return number

    def overrides(self) -> OverridesAt:
        """All overrides, and the version that they are of."""
        number, body = self._file.rows(_OVERRIDES)[0]
        return OverridesAt(number, decode_overrides(self._file.path, body))

    def overrides_version(self) -> int:
        """A number that changes with every change of overrides."""
        number: int = self._file.rows("SELECT number FROM overrides")[0][0]
        return number

    def put_overrides(self, overrides: Sequence[Override], now: datetime) -> None:
        """Add or replace overrides, and drop those that have ended by now; all or nothing."""
        with self._file.writing() as connection:
            kept = self._kept_overrides(connection)
            _keep_overrides(connection, with_overrides(kept, overrides, now))

    def drop_overrides(self, names: Collection[str]) -> int:
        """Drop the overrides of these ids; returns how many there were."""
        with self._file.writing() as connection:
            kept = self._kept_overrides(connection)
            left = [override for override in kept if override.id not in names]
            if len(left) < len(kept):
                _keep_overrides(connection, left)
        return len(kept) - len(left)

    def _kept_overrides(self, connection: sqlite3.Connection) -> tuple[Override, ...]:
        _, body = connection.execute(_OVERRIDES).fetchone()
        return decode_overrides(self._file.path, body)

    def _item(self, body: bytes) -> Item:
        try:
            return decode_item(body)
        except InvalidItem as error:
            message = f"{self._file.path}: an item can't be read: {error}: send the catalogue again"
            raise StoreUnavailable(message) from error


def _keep_overrides(connection: sqlite3.Connection, overrides: Sequence[Override]) -> None:
    body = encode_overrides(overrides)
    connection.execute("UPDATE overrides SET number = number + 1, body = ?", (body,))


def _change(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE changes SET number = number + 1")
