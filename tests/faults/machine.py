"""What the machine adds to a latency: nothing that is measured on it is more exact.

`python -m tests.faults.machine` is a process that does nothing but wake. When its standard input
ends it prints how late it woke at worst, in seconds.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.processes import Process, children

STEP = 0.005
"""Seconds that the idle process sleeps."""
WINDOW = 0.1
"""Seconds between two looks at a process."""


@contextmanager
def noise() -> Iterator[list[float]]:
    """How late an idle process wakes meanwhile.

    Yields:
        When the block has ended: the worst, in seconds.
    """
    command = [sys.executable, "-m", "tests.faults.machine"]
    found: list[float] = []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - ourselves
        try:
            yield found
        finally:
            said, _ = process.communicate(b"")
            found.append(float(said))


class Watch:
    """Looks at a scorer, and at this process, ten times a second.

    Attributes:
        threads: The most that the scorer, or a worker of it, had.

    Args:
        scorer: Its process, or its workers' parent; another one when it is started again.
    """

    def __init__(self, scorer: Process) -> None:
        self.threads = 0
        self._memories: dict[int, int] = {}
        self._scorer = scorer
        self._before: dict[int, float] = {}
        self._waits: list[tuple[float, float]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def memory(self) -> int:
        """Bytes that the largest of its processes had when it was last seen."""
        return max(self._memories.values(), default=0)

    @property
    def worst(self) -> float:
        """The most that `waited` says of one look."""
        return max((wait for _, wait in self._waits), default=0.0)

    def waited(self, began: float, ended: float) -> float:
        """Seconds that threads of them were ready to run and had no core, between two moments.

        The moments are of `time.monotonic`; what is told is of whole windows, so it is a little too
        much rather than too little.
        """
        return sum(wait for at, wait in self._waits if began <= at <= ended + WINDOW)

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._done.wait(WINDOW):
            before, looked = looked, time.monotonic()
            waits = [sum(self._waits_of(os.getpid()))]
            with suppress(OSError):  # it ends, or a worker does
                for pid in (self._scorer.pid, *children(self._scorer.pid)):
                    found = self._waits_of(pid)
                    waits.append(sum(found))
                    self.threads = max(self.threads, len(found))
                    self._memories[pid] = _memory(pid)
            # Threads wait for each other, so their waits may add up, but to no more than has gone.
            self._waits.append((looked, min(sum(waits), looked - before)))

    def _waits_of(self, process: int) -> list[float]:
        """What each thread of a process has waited since the last look."""
        waits = []
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):  # it ended meanwhile
                seconds = int((thread / "schedstat").read_text().split()[1]) / 1e9
                waits.append(seconds - self._before.get(int(thread.name), seconds))
                self._before[int(thread.name)] = seconds
        return waits


def _memory(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def main() -> None:
    """Wake every `STEP` until standard input ends."""
    worst = 0.0
    while True:
        before = time.perf_counter()
        readable, _, _ = select.select([sys.stdin], [], [], STEP)
        if readable:
            break
        worst = max(worst, time.perf_counter() - before - STEP)
    sys.stdout.write(str(worst))


if __name__ == "__main__":
    main()
