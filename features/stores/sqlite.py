"""Profiles in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from features.alias import Identified
from features.profile import History, Profile, Published
from features.profile_codec import encode
from features.stores.halves import chunks, read_profile
from features.stores.joining import folded, forgotten
from features.stores.ports import NOBODY
from features.stores.sqlite_aliases import SqliteTold
from features.stores.sqlite_catalogue import SCHEMA as CATALOGUE_SCHEMA
from features.stores.sqlite_file import SqliteFile
from features.stores.sqlite_pins import SqlitePins

CHUNK: Final = 1_000
"""Profiles in one transaction of a bulk write: other writers get their turn between two."""

PAGE_BYTES: Final = 8_192
"""Profiles have a few kB. With pages twice as large a look and a change take a quarter longer, with
half as large ones a bulk write takes half as long again, and long histories are in many pieces."""
SCHEMA: Final = (
    "CREATE TABLE profiles (customer TEXT PRIMARY KEY, history BLOB, published BLOB);"
    + CATALOGUE_SCHEMA
)

_GET = "SELECT history, published FROM profiles WHERE customer = ?"
_GET_MANY = (
    "SELECT customer, history, published FROM profiles"
    " WHERE customer IN (SELECT value FROM json_each(?))"
)
_FOLD = (
    "INSERT INTO profiles (customer, history) VALUES (?, ?)"
    " ON CONFLICT (customer) DO UPDATE SET history = excluded.history"
)
_PUBLISH = (
    "INSERT INTO profiles (customer, published) VALUES (?, ?)"
    " ON CONFLICT (customer) DO UPDATE SET published = excluded.published"
)
_PUT = (
    "INSERT INTO profiles (customer, history, published) VALUES (?, ?, ?)"
    " ON CONFLICT (customer) DO UPDATE"
    " SET history = excluded.history, published = excluded.published"
)
_NEXT = "SELECT customer FROM profiles WHERE customer > ? ORDER BY customer LIMIT ?"


class SqliteProfiles:
    """The `ProfileStore` on SQLite.

    Args:
        file: Holds the table of `SCHEMA`, and that of `sqlite_aliases.SCHEMA`.
        pins: Are forgotten with a customer.
    """

    def __init__(self, file: SqliteFile, pins: SqlitePins) -> None:
        self._file = file
        self._pins = pins

    def get(self, customer: str) -> Profile | None:
        """The profile; None for a customer who is not known."""
        rows = self._file.rows(_GET, (customer,))
        return read_profile(self._file.path, customer, *rows[0]) if rows else None

    def get_many(self, customers: Sequence[str]) -> dict[str, Profile]:
        """The profiles of those who are known."""
        rows = self._file.rows(_GET_MANY, (_json(customers),))
        return {row[0]: read_profile(self._file.path, *row) for row in rows}

    def fold(
        self, histories: Mapping[str, History], identified: Mapping[str, Identified] = NOBODY
    ) -> None:
        """Join each history into the one that is kept; all of the call or nothing."""
        if not histories and not identified:
            return
        with self._file.writing() as connection:
            told = SqliteTold(self._file.path, connection)
            change = folded(told, histories, identified)
            told.keep(change.own)
            _show(connection, change.seen)
            told.drop(change.gone, "profiles")

    def publish(self, published: Mapping[str, Published]) -> None:
        """Replace the published half of each but aliases; histories stay as they are."""
        for chunk in chunks(published.items(), CHUNK):
            rows = sorted((customer, encode(half)) for customer, half in chunk)
            with self._file.writing() as connection:
                owned = SqliteTold(self._file.path, connection).owned([key for key, _ in rows])
                connection.executemany(_PUBLISH, [row for row in rows if row[0] not in owned])

    def put_many(self, profiles: Iterable[Profile]) -> int:
        """Replace whole profiles, in bulk; returns how many."""
        count = 0
        for chunk in chunks(profiles, CHUNK):
            # Encoded before the lock is taken, and in the order of keys: fewer pages are touched.
            rows = sorted((p.customer, encode(p.history), encode(p.published)) for p in chunk)
            with self._file.writing() as connection:
                connection.executemany(_PUT, rows)
            count += len(rows)
        return count

    def customers(self, after: str = "", limit: int = 1_000) -> list[str]:
        """The next customer keys in their order, after the given one."""
        return [row[0] for row in self._file.rows(_NEXT, (after, limit))]

    def count(self) -> int:
        """How many profiles there are."""
        number: int = self._file.rows("SELECT count(*) FROM profiles")[0][0]
        return number

    def delete(self, customer: str) -> bool:
        """Forget a customer, aliases and pins included; whether there was anything to forget."""
        with self._file.writing() as connection:
            told = SqliteTold(self._file.path, connection)
            keys, _, change = forgotten(told, customer)
            _show(connection, change.seen)
            told.drop(change.gone, "profiles")
            known = told.drop(keys, "profiles") + told.drop(keys, "own")
            # First, so that who is told of a failure asks again for all of it.
            pinned = [self._pins.forget(key) for key in sorted(keys)]
        return known > 0 or any(pinned)

    def ping(self) -> None:
        """Return if the file answers."""
        self._file.rows("SELECT 1 FROM profiles LIMIT 1")


def _show(connection: sqlite3.Connection, seen: Iterable[tuple[str, History]]) -> None:
    connection.executemany(_FOLD, ((key, encode(one)) for key, one in seen))


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()
