"""A folder for the work of one process, gone afterwards; where it was killed, with the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(root: Path, prefix: str) -> Iterator[Path]:
    """A new folder; it is removed at the end, and before it those that others left behind.

    Whoever has such a folder holds a lock on it, which ends with the process. So what a process
    that was killed left behind is known by its lock that can be had. Disks without locks keep what
    is left behind.

    Args:
        root: Where; it is there.
        prefix: How names of such folders begin, like `.import-`.

    Raises:
        OSError: The disk refuses.
    """
    # One at a time, or a folder could be taken for left behind before its owner has locked it.
    turn = _lock(root, wait=True)
    try:
        if turn is not None:
            _sweep(root, prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        held = _lock(folder)
    finally:
        _unlock(turn)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(held)


def _sweep(root: Path, prefix: str) -> None:
    """Remove folders that no process holds."""
    for folder in root.glob(f"{prefix}*"):
        held = None if folder.is_symlink() else _lock(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(held)


def _lock(folder: Path, *, wait: bool = False) -> int | None:
    """Descriptor that holds the lock of a folder; None where another has it, or nobody can."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(number)
        return None
    return number


def _unlock(number: int | None) -> None:
    if number is not None:
        os.close(number)
