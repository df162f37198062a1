"""Brings what was written to the lake to the disk, before anybody relies on it.

Delta's writer leaves that to the system, which takes its time: a power cut takes the last commits
away, or leaves their files empty. The event log forgets what the lake has, so the lake must really
have it by then. Who writes waits for the disk once a commit.

A commit's files are those that its entry in the table's log adds, that entry, and the folders that
name them; see <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>. That a file's name is
safe only when its folder is: "Notes" of <https://man7.org/linux/man-pages/man2/fsync.2.html>.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import msgspec


class _File(msgspec.Struct, frozen=True):
    path: str


class _Action(msgspec.Struct, frozen=True):
    """A line of an entry, as far as it names a file."""

    add: _File | None = None


class _Checkpoint(msgspec.Struct, frozen=True):
    version: int


_ACTIONS = msgspec.json.Decoder(_Action)
_CHECKPOINT = msgspec.json.Decoder(_Checkpoint)


class Settling:
    """Knows which commits of one table are on the disk; used by one thread at a time.

    Args:
        table: The table's folder.
    """

    def __init__(self, table: str) -> None:
        self._table = Path(table)
        self._log = self._table / "_delta_log"
        self._next: int | None = None

    def settle(self) -> None:
        """Return once all commits are on the disk, whoever made them.

        Raises:
            OSError: They can't be brought there.
        """
        if self._next is None or not self._entry(self._next - 1).exists():
            # What a checkpoint sums up was on the disk before, for every writer comes by here.
            self._next = self._last_checkpoint()
            _sync([*self._table.parents][1::-1])
        first = self._next
        while self._entry(self._next).exists():
            _sync(self._files_of(self._next))
            self._next += 1
        if self._next > first:
            _sync([self._log])

    def _entry(self, version: int) -> Path:
        return self._log / f"{version:020d}.json"

    def _last_checkpoint(self) -> int:
        """The version that the last checkpoint sums up; 0 without one."""
        try:
            return _CHECKPOINT.decode((self._log / "_last_checkpoint").read_bytes()).version
        except (FileNotFoundError, msgspec.DecodeError):
            return 0

    def _files_of(self, version: int) -> Iterator[Path]:
        """What a commit needs, folders after what lies in them and the entry last."""
        entry = self._entry(version)
        added = [
            self._table / unquote(action.add.path)
            for action in _ACTIONS.decode_lines(entry.read_bytes())
            if action.add is not None
        ]
        yield from added
        yield from sorted({file.parent for file in added} | {self._table}, reverse=True)
        yield self._log / f"{version:020d}.checkpoint.parquet"
        yield entry


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        # A file that was joined with others and deleted meanwhile is of no use any more.
        with suppress(FileNotFoundError):
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
