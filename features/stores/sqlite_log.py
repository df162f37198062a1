"""The event log in one SQLite file.

Threads that append at the same time share one transaction, and so one wait for the disk: a writer
thread commits whatever has gathered while it was committing before (group commit).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from features.clock import Clock
from features.errors import StoreUnavailable
from features.stores.codec import letter_digest
from features.stores.ports import DeadLetter, Entry
from features.stores.pressure import MAX_DEPTH, Pressure
from features.stores.sqlite_file import SqliteFile

MAX_WAITING: Final = 2_000
"""Appends that may wait for the writer; the next ones are told that the log is overloaded."""
MAX_GROUP: Final = 20_000
"""Entries after which a transaction takes no more appends."""
APPEND_SECONDS: Final = 10.0
"""How long an append waits for its commit."""
TRIM_CHUNK: Final = 10_000
"""Entries dropped in one transaction: appends get their turn between two."""

SCHEMA: Final = """
CREATE TABLE entries (position INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE readers (name TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, reason TEXT NOT NULL,
    source TEXT NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL UNIQUE
)
"""

_TAKE = (
    "SELECT position, body FROM entries"
    " WHERE position > (SELECT place FROM readers WHERE name = ?) ORDER BY position LIMIT ?"
)
_COMMIT = (
    "INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
    " SET place = max(place, excluded.place)"
)
# Positions have no gaps, for an append that fails gives its own back. Each end of them is asked for
# by itself: SQLite looks up one of min and max, and goes through the table for both ("The SQLite
# Query Optimizer Overview", on the MIN/MAX optimization: https://sqlite.org/optoverview.html).
_DEPTH = (
    "SELECT coalesce((SELECT max(position) FROM entries) + 1"
    " - max((SELECT min(position) FROM entries),"
    " 1 + coalesce((SELECT place FROM readers WHERE name = ?), 0)), 0)"
)
_ALL = (
    "SELECT coalesce((SELECT max(position) FROM entries) + 1"
    " - (SELECT min(position) FROM entries), 0)"
)
_TRIM = (
    "DELETE FROM entries WHERE position IN (SELECT position FROM entries"
    " WHERE position <= (SELECT min(place) FROM readers) ORDER BY position LIMIT ?)"
)
_BURY = "INSERT OR IGNORE INTO dead (body, reason, source, at, digest) VALUES (?, ?, ?, ?, ?)"
_DEAD = "SELECT id, body, reason, source, at FROM dead WHERE id > ? ORDER BY id LIMIT ?"

Waiting = tuple[Sequence[bytes], "Future[None]"]


class SqliteLog:
    """The `EventLog` on SQLite.

    Args:
        path: The file; made when missing.
        clock: Dates dead letters.
        max_depth: Entries that were not trimmed yet, from which on appends are refused.
    """

    def __init__(self, path: Path, clock: Clock, max_depth: int = MAX_DEPTH) -> None:
        self._file = SqliteFile(path, SCHEMA, synchronous="FULL")
        self._clock = clock
        self._pressure = Pressure(str(path), max_depth, self._entries)
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None
        self._closed = False

    def append(self, bodies: Sequence[bytes]) -> None:
        """Return once all of them are durable; all or none.

        Raises:
            Overloaded: There are `max_depth` entries already.
            StoreUnavailable: They can't be written, or not in time.
        """
        if not bodies:
            return
        self._pressure.admit(len(bodies))
        done: Future[None] = Future()
        with self._changed:
            self._accept()
            self._waiting.append((bodies, done))
            self._changed.notify_all()
        try:
            done.result(APPEND_SECONDS)
        except TimeoutError as error:
            message = (
                f"{self._file.path}: no commit within {APPEND_SECONDS:g} s: send the events again; "
                "those that were kept after all change nothing"
            )
            raise StoreUnavailable(message) from error

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The entries after the reader's place, oldest first; taking does not move the place."""
        with self._file.reading() as connection:
            known = connection.execute("SELECT 1 FROM readers WHERE name = ?", (reader,)).fetchone()
        if known is None:
            self.commit(reader, 0)
        with self._file.reading() as connection:
            return [Entry(*row) for row in connection.execute(_TAKE, (reader, limit)).fetchall()]

    def commit(self, reader: str, position: int) -> None:
        """Move the reader's place behind this entry; a place never goes back."""
        with self._file.writing() as connection:
            connection.execute(_COMMIT, (reader, position))

    def depth(self, reader: str) -> int:
        """How many entries the reader has not committed."""
        with self._file.reading() as connection:
            number: int = connection.execute(_DEPTH, (reader,)).fetchone()[0]
        return number

    def trim(self) -> int:
        """Drop what every known reader has committed; returns how many entries."""
        dropped = 0
        while True:
            with self._file.writing() as connection:
                chunk = connection.execute(_TRIM, (TRIM_CHUNK,)).rowcount
            dropped += chunk
            if chunk < TRIM_CHUNK:
                return dropped

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters; durable on return."""
        at = int(self._clock.now().timestamp())
        rows = [(body, reason, source, at, letter_digest(body, source)) for body in bodies]
        with self._file.writing() as connection:
            connection.executemany(_BURY, rows)

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        with self._file.reading() as connection:
            rows = connection.execute(_DEAD, (after, limit)).fetchall()
        return [
            DeadLetter(id=number, body=body, reason=reason, source=source, at=at)
            for number, body, reason, source, at in rows
        ]

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        with self._file.writing() as connection:
            connection.executemany("DELETE FROM dead WHERE id = ?", [(number,) for number in ids])

    def close(self) -> None:
        """Let go of the file and the thread, after what is being appended; idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            writer = self._writer
        if writer is not None:
            writer.join()
        self._file.close()

    def _entries(self) -> int:
        """How many entries there are, whoever has committed them."""
        number: int = self._file.rows(_ALL)[0][0]
        return number

    def _accept(self) -> None:
        """Make sure that a writer runs and has room for one append more."""
        if not self._changed.wait_for(
            lambda: self._closed or len(self._waiting) < MAX_WAITING, APPEND_SECONDS
        ):
            message = (
                f"{self._file.path}: {MAX_WAITING} appends are waiting: the disk is slower than "
                "the events come; send fewer at a time, or more in one request"
            )
            raise StoreUnavailable(message)
        if self._closed:
            message = f"{self._file.path} is closed in this process: open it again"
            raise StoreUnavailable(message)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
            self._writer.start()

    def _write(self) -> None:
        while group := self._gathered():
            try:
                with self._file.writing() as connection:
                    connection.executemany(
                        "INSERT INTO entries (body) VALUES (?)",
                        [(body,) for bodies, _ in group for body in bodies],
                    )
            except Exception as error:  # noqa: BLE001 - whoever waits for the commit raises it
                for _, done in group:
                    done.set_exception(error)
            else:
                for _, done in group:
                    done.set_result(None)

    def _gathered(self) -> list[Waiting]:
        """What is waiting, as soon as anything is; nothing once the log is closed."""
        group: list[Waiting] = []
        entries = 0
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            while self._waiting and entries < MAX_GROUP:
                group.append(self._waiting.popleft())
                entries += len(group[-1][0])
            self._changed.notify_all()
        return group
