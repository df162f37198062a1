"""Profiles in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from features.profile import History, Profile, Published, encode
from features.stores.halves import chunks, read_history, read_profile
from features.stores.sqlite_catalogue import SCHEMA as CATALOGUE_SCHEMA
from features.stores.sqlite_file import SqliteFile
from features.stores.sqlite_pins import SqlitePins

CHUNK: Final = 1_000
"""Profiles in one transaction of a bulk write: other writers get their turn between two."""

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
        file: Holds the table of `SCHEMA`.
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

    def fold(self, histories: Mapping[str, History]) -> None:
        """Join each history into the one that is kept; all of the call or nothing."""
        if not histories:
            return
        with self._file.writing() as connection:
            rows = connection.execute(_GET_MANY, (_json(list(histories)),)).fetchall()
            kept = {customer: history for customer, history, _ in rows}
            joined = [
                (customer, encode(self._kept(customer, kept.get(customer)).join(history)))
                for customer, history in sorted(histories.items())
            ]
            connection.executemany(_FOLD, joined)

    def publish(self, published: Mapping[str, Published]) -> None:
        """Replace the published half of each; histories stay as they are."""
        for chunk in chunks(published.items(), CHUNK):
            rows = sorted((customer, encode(half)) for customer, half in chunk)
            with self._file.writing() as connection:
                connection.executemany(_PUBLISH, rows)

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
        """Forget a customer, pins included; whether there was anything to forget."""
        pinned = self._pins.forget(customer)
        with self._file.writing() as connection:
            gone = connection.execute("DELETE FROM profiles WHERE customer = ?", (customer,))
        return gone.rowcount > 0 or pinned

    def ping(self) -> None:
        """Return if the file answers."""
        self._file.rows("SELECT 1 FROM profiles LIMIT 1")

    def _kept(self, customer: str, history: bytes | None) -> History:
        return read_history(self._file.path, customer, history)


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()
