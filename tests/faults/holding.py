"""A process that keeps others waiting at a SQLite file: `python -m tests.faults.holding HOW PATH`.

It prints a line once it holds what it takes, and then stands still until it is killed, as a process
does whose disk or machine has stalled in the middle of its work:

- `writing`: within a write transaction. Others can read, and wait to write.
- `recovering`: with every lock of the write-ahead log, as a process has that rebuilds its index
  after a crash. Others can neither read nor write. (The locks are bytes 120 to 127 of the `-shm`
  file: https://www.sqlite.org/walformat.html#wal_locks)
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

FIRST_LOCK, LOCKS = 120, 8

How = Literal["writing", "recovering"]


@contextmanager
def held(how: How, path: Path) -> Iterator[None]:
    """Let a process hold this file, and stand still, while the block runs."""
    command = [sys.executable, "-m", "tests.faults.holding", how, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - ourselves
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"held\n"
            yield
        finally:
            process.kill()


def main(how: str, path: str) -> None:
    """Take it, say so, stand still."""
    if how == "writing":
        connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
    else:
        file = os.open(f"{path}-shm", os.O_RDWR)
        fcntl.lockf(file, fcntl.LOCK_EX, LOCKS, FIRST_LOCK)
    sys.stdout.write("held\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main(*sys.argv[1:])
