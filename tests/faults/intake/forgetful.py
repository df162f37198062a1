"""What a power cut forgets: files as they may lie on a disk whose power goes at any moment.

What was synced is there; of all later changes any may be there, in parts, and any not. Nothing is
known here of what a database promises itself: a file's content is safe when that file was synced,
its name when its folder was.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from enum import Enum
from random import Random
from typing import Final, NamedTuple

SECTOR: Final = 512
"""Bytes that a disk writes as one, if it does."""


class Kind(Enum):
    """What a change does."""

    MADE = "made"
    DELETED = "deleted"
    WRITTEN = "written"
    RESIZED = "resized"
    SYNCED = "synced"
    NAMES_SYNCED = "names synced"


class Change(NamedTuple):
    """One of them.

    Attributes:
        kind: What.
        path: Of which file; `NAMES_SYNCED` is of all in its folder.
        offset: Where it was written, or how long it is. Of a sync, the moment at which it began:
            only what was before is safe.
        data: What was written.
    """

    kind: Kind
    path: str
    offset: int = 0
    data: bytes = b""


class Journal:
    """All changes of the files of one folder, in order; safe from many threads."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._lock = threading.Lock()

    def add(self, change: Change) -> None:
        """One more."""
        with self._lock:
            self.changes.append(change)

    def now(self) -> int:
        """How many there are: a moment."""
        return len(self.changes)


class _File:
    """One file, whatever its name is."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.unsafe: list[tuple[int, Change]] = []

    def sync(self, began: int) -> None:
        for at, change in self.unsafe:
            if at < began:
                _apply(self.safe, change)
        self.unsafe = [(at, change) for at, change in self.unsafe if at >= began]

    def left(self, random: Random, luck: float) -> bytes:
        content = bytearray(self.safe)
        for _, change in self.unsafe:
            for piece in _pieces(change):
                if random.random() < luck:
                    _apply(content, piece)
        return bytes(content)


def left_by_cut(journal: Journal, moment: int, random: Random) -> dict[str, bytes]:
    """Path → content of the files, as a cut leaves them.

    Args:
        journal: What happened.
        moment: Before which of its changes the power went.
        random: Draws what of the unsafe had come to the disk by chance.
    """
    names: dict[str, _File] = {}
    safe: dict[str, _File] = {}
    unsafe: list[tuple[str, _File | None]] = []
    for at, change in enumerate(journal.changes[:moment]):
        if change.kind is Kind.MADE:
            names[change.path] = _File()
            unsafe.append((change.path, names[change.path]))
        elif change.kind is Kind.DELETED:
            del names[change.path]
            unsafe.append((change.path, None))
        elif change.kind is Kind.SYNCED:
            names[change.path].sync(change.offset)
        elif change.kind is Kind.NAMES_SYNCED:
            _name(safe, unsafe)
            unsafe = []
        else:
            names[change.path].unsafe.append((at, change))
    luck = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    _name(safe, [one for one in unsafe if random.random() < luck])
    return {path: file.left(random, luck) for path, file in safe.items()}


def _name(names: dict[str, _File], changes: list[tuple[str, _File | None]]) -> None:
    for path, file in changes:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def _pieces(change: Change) -> Iterator[Change]:
    """The parts of a change that come to the disk each by itself."""
    if change.kind is Kind.RESIZED:
        yield change
    for start in range(0, len(change.data), SECTOR):
        part = change.data[start : start + SECTOR]
        yield change._replace(offset=change.offset + start, data=part)


def _apply(content: bytearray, change: Change) -> None:
    if change.kind is Kind.RESIZED:
        del content[change.offset :]
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data
