"""One SQLite file in WAL mode, shared by the threads of several processes.

Connections are kept in a pool, one a caller at a time. Writers take the write lock at once
(`BEGIN IMMEDIATE`), so that reading, joining and writing back are one step for every process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

from features.errors import StoreUnavailable

BUSY_SECONDS: Final = 5.0
"""How long a writer waits for another process that is writing."""
PAGE_BYTES: Final = 16_384
"""Of what is appended, some kB at a time, and read in its order."""
CACHE_KIB: Final = 1_024
"""Of a connection, and there is one a thread: among 30,000 customers twice as much is no faster.
What else is read often, the system keeps for all."""

_CURES: Final = {
    sqlite3.SQLITE_FULL: "free some space on its disk; nothing of this call was kept",
    sqlite3.SQLITE_IOERR: "check the space and the health of its disk; nothing was kept",
    sqlite3.SQLITE_BUSY: f"another process has been writing for {BUSY_SECONDS:g} s; try again",
    sqlite3.SQLITE_CORRUPT: "restore it from a backup, or move it away and start again",
    sqlite3.SQLITE_NOTADB: "restore it from a backup, or move it away and start again",
    sqlite3.SQLITE_CANTOPEN: "let this process read and write the file and its folder",
    sqlite3.SQLITE_READONLY: "let this process write the file and its folder",
    sqlite3.SQLITE_PERM: "let this process read and write the file and its folder",
}

Identity = tuple[int, int]
"""Device and inode: tells the file that was opened from one that replaced it."""


class SqliteFile:
    """Connections to one file; safe from many threads.

    Nothing is opened before the first use.

    Args:
        path: The file; made with its folder when missing.
        schema: Statements that make the tables of an empty file.
        upgrades: More of them, that later versions added; a file of before is brought up to date.
        synchronous: FULL survives a power cut after every commit; NORMAL may lose the last ones
            then, but nothing when only the process dies.
        page_bytes: Of an empty file. Whatever is read or written, it is a page: small ones suit
            what is looked up and changed in no order, large ones long rows and appends.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *upgrades: str,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self.path = path
        self._name = str(path)
        self._schemas = (schema, *upgrades)
        self._synchronous = synchronous
        self._page_bytes = page_bytes
        self._idle: deque[tuple[sqlite3.Connection, Identity]] = deque()
        self._lock = threading.Lock()
        self._seen = False
        self._closed = False

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement that reads.

        Raises:
            StoreUnavailable: As `reading`, of which this is the short way: half its own time.
        """
        connection, identity = self._borrow()
        try:
            found = connection.execute(statement, parameters).fetchall()
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._unavailable(error) from error
            raise
        self._give_back(connection, identity)
        return found

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection outside any transaction; each statement reads a state of its own.

        Raises:
            StoreUnavailable: The file can't be used; the message names it and the cure.
        """
        connection, identity = self._borrow()
        try:
            yield connection
        except sqlite3.Error as error:
            connection.close()
            raise self._unavailable(error) from error
        except BaseException:
            self._give_back(connection, identity)
            raise
        self._give_back(connection, identity)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection that holds the write lock; commits at the end, or keeps nothing.

        Raises:
            StoreUnavailable: As `reading`; also when another process holds the lock too long.
        """
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close all connections; every later call raises `StoreUnavailable`."""
        self._closed = True
        while self._idle:
            with suppress(IndexError):
                self._idle.pop()[0].close()

    def _borrow(self) -> tuple[sqlite3.Connection, Identity]:
        if self._closed:
            message = f"{self.path} is closed in this process: open it again"
            raise StoreUnavailable(message)
        identity = self._identity()
        if identity is None and self._seen:
            # A connection would go on with a file that nobody else can see any more.
            message = f"{self.path} was removed: restore it, or restart to begin with an empty one"
            raise StoreUnavailable(message)
        while True:
            try:
                connection, opened = self._idle.pop()
            except IndexError:
                return self._open()
            if opened == identity:
                return connection, opened
            connection.close()

    def _give_back(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self._idle.append((connection, identity))
        if self._closed:
            self.close()

    def _identity(self) -> Identity | None:
        try:
            # Of the text: on every read, and a third of the time of Path.stat.
            found = os.stat(self._name)  # noqa: PTH116
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> tuple[sqlite3.Connection, Identity]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _make_private(self.path)
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except OSError as error:
            message = f"{self.path.parent} can't be made: {error.strerror}; choose another folder"
            raise StoreUnavailable(message) from error
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        try:
            # One at a time: two threads that turn a new file to WAL at once refuse each other.
            with self._lock:
                self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self._unavailable(error) from error
        self._seen = True
        return connection, self._identity() or (0, 0)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {self._page_bytes}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if _version(connection) >= len(self._schemas):
            return
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made some of them while this one waited for the lock.
        for schema in self._schemas[_version(connection) :]:
            for statement in schema.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(self._schemas)}")
        connection.execute("COMMIT")

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells variants apart
        cure = _CURES.get(code, "look at the file and its disk")
        return StoreUnavailable(f"{self.path}: {error}: {cure}")


def _make_private(path: Path) -> None:
    """Make a new file that its owner alone may read; SQLite gives its companions the same mode."""
    # Never open one that is there: closing it would drop the locks of our other connections.
    with suppress(OSError):  # SQLite itself says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _version(connection: sqlite3.Connection) -> int:
    """How many schemas the file's tables are of."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number
