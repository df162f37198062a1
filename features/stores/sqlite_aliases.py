"""What was told under customer keys that `identify` events name, in the SQLite file of profiles."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from features.alias import Own, encode_own
from features.profile import History
from features.stores.halves import read_history, read_own

SCHEMA: Final = """
CREATE TABLE own (customer TEXT PRIMARY KEY, owner TEXT, body BLOB NOT NULL);
CREATE INDEX own_by_owner ON own (owner) WHERE owner IS NOT NULL
"""

_AMONG = " IN (SELECT value FROM json_each(?))"
_SEEN: Final = "SELECT customer, history FROM profiles WHERE customer"
_PUT: Final = (
    "INSERT INTO own (customer, owner, body) VALUES (?, ?, ?)"
    " ON CONFLICT (customer) DO UPDATE SET owner = excluded.owner, body = excluded.body"
)


class SqliteTold:
    """The `Told` of one transaction.

    Args:
        path: Of the file, for messages.
        connection: Holds the write lock.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def seen(self, customers: Collection[str]) -> Iterator[tuple[str, History]]:
        """Each of them in turn, and the history that answers."""
        rows = dict(self._rows(_SEEN, customers))
        return ((key, read_history(self._path, key, rows.get(key))) for key in customers)

    def own(self, customers: Collection[str]) -> dict[str, Own]:
        """What was told under each key, of those whom an `identify` names."""
        rows = self._rows("SELECT customer, body FROM own WHERE customer", customers)
        return {key: read_own(self._path, key, body) for key, body in rows}

    def aliases(self, customers: Collection[str]) -> set[str]:
        """The keys whose owner is one of these."""
        rows = self._rows("SELECT customer, owner FROM own WHERE owner", customers)
        return {key for key, _ in rows}

    def owned(self, customers: Collection[str]) -> set[str]:
        """Those of them that are aliases."""
        statement = "SELECT customer, owner FROM own WHERE owner IS NOT NULL AND customer"
        return {key for key, _ in self._rows(statement, customers)}

    def keep(self, own: Mapping[str, Own]) -> None:
        """Write what was told under each key."""
        rows = [(key, one.identified.owner, encode_own(one)) for key, one in sorted(own.items())]
        self._connection.executemany(_PUT, rows)

    def drop(self, customers: Iterable[str], table: str) -> int:
        """Drop rows of `profiles` or of `own`; returns how many there were."""
        statement = f"DELETE FROM {table} WHERE customer = ?"  # noqa: S608 - one of two names
        return sum(self._connection.execute(statement, (key,)).rowcount for key in customers)

    def _rows(self, statement: str, keys: Collection[str]) -> list[tuple[str, bytes]]:
        if not keys:
            return []
        among = msgspec.json.encode(list(keys)).decode()
        return self._connection.execute(statement + _AMONG, (among,)).fetchall()
