"""Pinned slates in a SQLite file of their own.

A pin is written while a template waits. In a file of its own it never waits for a bulk write of
profiles, and it need not survive a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from features.clock import Clock
from features.stores.ports import NewPin
from features.stores.sqlite_file import SqliteFile

SCHEMA: Final = """
CREATE TABLE pins (
    customer TEXT NOT NULL, send TEXT NOT NULL, block TEXT NOT NULL,
    slate BLOB NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (customer, send, block)
);
CREATE INDEX pins_expire ON pins (expires)
"""

PAGE_BYTES: Final = 4_096
"""Pins have some hundred bytes, and come in no order."""
SWEEP_EVERY: Final = 256
"""Pins between two looks for expired ones."""

_OF_SEND = "SELECT block, slate FROM pins WHERE customer = ? AND send = ? AND expires > ?"
_PINNED = "SELECT slate FROM pins WHERE customer = ? AND send = ? AND block = ?"
_PIN = (
    "INSERT INTO pins VALUES (?, ?, ?, ?, ?) ON CONFLICT (customer, send, block) DO UPDATE"
    " SET slate = excluded.slate, expires = excluded.expires WHERE expires <= ?"
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
        self._unswept = 0

    def of_send(self, customer: str, send: str) -> dict[str, bytes]:
        """Block → the pinned slate, encoded, of those that have not expired."""
        return dict(self._file.rows(_OF_SEND, (customer, send, milliseconds(self._clock))))

    def pin(self, customer: str, send: str, block: str, slate: bytes, seconds: int) -> bytes:
        """Keep a slate for so many seconds, unless one is pinned; returns the one that is."""
        return self.pin_many([NewPin(customer, send, block, slate, seconds)])[0]

    def pin_many(self, pins: Sequence[NewPin]) -> list[bytes]:
        """Keep each unless one is pinned in its place; returns those that are."""
        now = milliseconds(self._clock)
        rows = [(*pin[:4], now + 1000 * pin.seconds, now) for pin in pins]
        with self._file.writing() as connection:
            kept = connection.executemany(_PIN, rows).rowcount
            slates = [pin.slate for pin in pins]
            if kept < len(pins):
                slates = [connection.execute(_PINNED, pin[:3]).fetchone()[0] for pin in pins]
            self._sweep(connection, len(pins), now)
        return slates

    def forget(self, customer: str) -> bool:
        """Drop all pins of a customer; whether there were any."""
        with self._file.writing() as connection:
            gone = connection.execute("DELETE FROM pins WHERE customer = ?", (customer,))
        return gone.rowcount > 0

    def _sweep(self, connection: sqlite3.Connection, pinned: int, now: int) -> None:
        """Drop some that have expired, every now and then; whoever calls holds the write lock."""
        self._unswept += pinned
        if self._unswept >= SWEEP_EVERY:
            # More than came, and never a long wait.
            connection.execute(_EXPIRED, (now, 2 * self._unswept))
            self._unswept = 0


def milliseconds(clock: Clock) -> int:
    """Milliseconds since 1970."""
    return int(clock.now().timestamp() * 1000)
