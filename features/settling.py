"""Brings what was written to the lake to the disk, before anybody relies on it.

Delta's writer leaves that to the system, which takes its time: a power cut takes the last commits
away, or leaves their files empty. The event log forgets what the lake has, so the lake must really
have it by then. Who writes waits for the disk once a commit; a note beside the table says up to
which version that was done.

What a cut left of commits behind that note nobody relies on yet: where it is not whole, it is taken
back before the next write, and comes again from where it came. Nothing before the note is ever
touched: a file that is missing there is a fault that a person has to look at.

A commit's files are those that its entry in the table's log adds, that entry, and the folders that
name them; see <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>. That a file's name is
safe only when its folder is: <https://man7.org/linux/man-pages/man2/fsync.2.html>.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec
import structlog

from features.errors import UNDECODABLE

_BEFORE_ANY: Final = -1
_MAGIC: Final = b"PAR1"
"""What a Parquet file ends with."""

_log = structlog.get_logger(__name__)


class _Added(msgspec.Struct, frozen=True):
    path: str
    size: int


class _Removed(msgspec.Struct, frozen=True):
    path: str


class _Action(msgspec.Struct, frozen=True):
    """A line of an entry, as far as it adds or removes a file."""

    add: _Added | None = None
    remove: _Removed | None = None


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
        self._note = self._table.parent / f".{self._table.name}.settled"
        self._begun = False
        self._checkpointed: int | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the other writers of this machine; what was written is on the disk at the end.

        Without turns, whoever writes much would lose every race against those who write little.

        Raises:
            OSError: The folder can't be written, or does not bring to the disk what is in it.
        """
        self._table.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._table.parent, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks: who loses a race tries again
                fcntl.flock(folder, fcntl.LOCK_EX)
            self._begin()
            yield
            self.settle()
        finally:
            os.close(folder)

    def _begin(self) -> None:
        """Take back what a power cut left half."""
        if not self._log.exists():
            self._write(_BEFORE_ANY)
        elif not self._begun:
            self._mend(self._settled())
        self._begun = True

    def settle(self) -> None:
        """Return once all commits and the last checkpoint are on the disk, whoever made them.

        Raises:
            OSError: They can't be brought there.
        """
        before, checkpoint = self._settled(), self._last_checkpoint()
        # What a checkpoint sums up was on the disk before, for every writer comes by here.
        first = (checkpoint or 0) if before is None else before + 1
        last = first
        while self._entry(last).exists():
            _sync(self._files_of(last))
            last += 1
        if checkpoint is not None and checkpoint != self._checkpointed:
            _sync([self._checkpoint(checkpoint), self._log / "_last_checkpoint", self._log])
            self._checkpointed = checkpoint
        if last > first:
            _sync([self._log])
            self._write(last - 1)

    def _settled(self) -> int | None:
        """The last version that is known to be on the disk; None where nobody has noted any."""
        try:
            noted = int(self._note.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        # The table may have been replaced by another one.
        return noted if noted == _BEFORE_ANY or self._entry(noted).exists() else None

    def _write(self, version: int) -> None:
        """Note it; in place, so that it is there in a moment."""
        new = not self._note.exists()
        opened = os.open(self._note, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(opened, b"%20d\n" % version, 0)
            os.fsync(opened)
        finally:
            os.close(opened)
        if new:
            _sync([*self._table.parents][:2])

    def _mend(self, settled: int | None) -> None:
        if settled is None:
            return
        later = {number for number in self._entries() if number > settled}
        last = max(later, default=settled)
        whole = self._whole_until(settled, last)
        for version in sorted((one for one in later if one > whole), reverse=True):
            self._entry(version).unlink()
        for checkpoint in self._log.glob("*.checkpoint.parquet"):
            if int(checkpoint.name.partition(".")[0]) > whole or not _ends_well(checkpoint):
                checkpoint.unlink()
                (self._log / "_last_checkpoint").unlink(missing_ok=True)
        if last > whole:
            _log.warning("taken back", table=str(self._table), versions=last - whole)

    def _entries(self) -> Iterator[int]:
        for entry in self._log.glob("*.json"):
            with suppress(ValueError):  # a file of another kind
                yield int(entry.stem)

    def _whole_until(self, settled: int, last: int) -> int:
        """The last version of these that has all of its files, counting from the settled one."""
        whole, broken = settled, set[Path]()
        for version in range(settled + 1, last + 1):
            try:
                actions = self._actions(version)
            except (FileNotFoundError, *UNDECODABLE):
                break
            # What is not part of the table any more may be gone: others join and delete files too.
            broken -= {self._file(one.remove.path) for one in actions if one.remove is not None}
            broken |= {file for file, size in self._added(actions) if not _is_whole(file, size)}
            if not broken:
                whole = version
        return whole

    def _entry(self, version: int) -> Path:
        return self._log / f"{version:020d}.json"

    def _checkpoint(self, version: int) -> Path:
        return self._log / f"{version:020d}.checkpoint.parquet"

    def _last_checkpoint(self) -> int | None:
        """The version that the last checkpoint sums up; None without one."""
        try:
            return _CHECKPOINT.decode((self._log / "_last_checkpoint").read_bytes()).version
        except (FileNotFoundError, *UNDECODABLE):
            return None

    def _actions(self, version: int) -> list[_Action]:
        """What a commit does.

        Raises:
            FileNotFoundError: There is no such commit.
            UNDECODABLE: Its entry is not whole.
        """
        actions = _ACTIONS.decode_lines(self._entry(version).read_bytes())
        if not actions:
            message = "an entry without actions"
            raise msgspec.DecodeError(message)
        return actions

    def _added(self, actions: Iterable[_Action]) -> list[tuple[Path, int]]:
        """The files that are added, and their sizes in bytes."""
        return [(self._file(one.add.path), one.add.size) for one in actions if one.add is not None]

    def _file(self, path: str) -> Path:
        return self._table / unquote(path)

    def _files_of(self, version: int) -> Iterator[Path]:
        """What a commit needs, folders after what lies in them and the entry last."""
        added = [file for file, _ in self._added(self._actions(version))]
        yield from added
        yield from sorted({file.parent for file in added} | {self._table}, reverse=True)
        yield self._entry(version)


def _is_whole(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size and _ends_well(file)
    except FileNotFoundError:
        return False


def _ends_well(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - len(_MAGIC)))
        return opened.read() == _MAGIC


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        # A file that was joined with others and deleted meanwhile is of no use any more.
        with suppress(FileNotFoundError):
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
