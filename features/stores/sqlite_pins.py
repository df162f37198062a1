"""Pinned slates in a SQLite file of their own.

A pin is written while a template waits. In a file of its own it never waits for a bulk write of
profiles, and it need not survive a power cut.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

from features.clock import Clock
from features.stores.sqlite_file import SqliteFile

SCHEMA: Final = """
CREATE TABLE pins (
    customer TEXT NOT NULL, send TEXT NOT NULL, block TEXT NOT NULL,
    slate BLOB NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (customer, send, block)
);
CREATE INDEX pins_expire ON pins (expires)
"""

SWEEP_EVERY: Final = 256
"""Pins between two looks for expired ones."""
SWEEP: Final = 2 * SWEEP_EVERY
"""Expired pins that one look drops at most: more than came, and never a long wait."""

_OF_SEND = "SELECT block, slate FROM pins WHERE customer = ? AND send = ? AND expires > ?"
_PINNED = "SELECT slate FROM pins WHERE customer = ? AND send = ? AND block = ? AND expires > ?"
_PIN = (
    "INSERT INTO pins VALUES (?, ?, ?, ?, ?) ON CONFLICT (customer, send, block) DO UPDATE"
    " SET slate = excluded.slate, expires = excluded.expires"
)
_EXPIRED = "DELETE FROM pins WHERE rowid IN (SELECT rowid FROM pins WHERE expires <= ? LIMIT ?)"


def pins_path(path: Path) -> Path:
    """Where the pins beside a profile store are kept: `profiles.db` → `profiles.pins.db`."""
    return path.with_name(f"{path.stem}.pins{path.suffix}")


class SqlitePins:
    """The `Pins` on SQLite.

    Args:
        file: Holds the table of `SCHEMA`.
        clock: Tells what has expired.
    """

    def __init__(self, file: SqliteFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._pinned = count(1)

    def of_send(self, customer: str, send: str) -> dict[str, bytes]:
        """Block → the pinned slate, encoded, of those that have not expired."""
        with self._file.reading() as connection:
            return dict(connection.execute(_OF_SEND, (customer, send, self._now())).fetchall())

    def pin(self, customer: str, send: str, block: str, slate: bytes, seconds: int) -> bytes:
        """Keep a slate for so many seconds, unless one is pinned; returns the one that is."""
        now = self._now()
        with self._file.writing() as connection:
            row = connection.execute(_PINNED, (customer, send, block, now)).fetchone()
            if row is not None:
                pinned: bytes = row[0]
                return pinned
            connection.execute(_PIN, (customer, send, block, slate, now + 1000 * seconds))
            if next(self._pinned) % SWEEP_EVERY == 0:
                connection.execute(_EXPIRED, (now, SWEEP))
        return slate

    def forget(self, customer: str) -> bool:
        """Drop all pins of a customer; whether there were any."""
        with self._file.writing() as connection:
            gone = connection.execute("DELETE FROM pins WHERE customer = ?", (customer,))
        return gone.rowcount > 0

    def _now(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock.now().timestamp() * 1000)
