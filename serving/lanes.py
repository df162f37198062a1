"""Lanes: blocking work done in threads, all that waits at once.

A lane hands everything that has come together to one thread, as a database commits a group: under
load a round trip to the store and a look at the model are shared by many, and without load nobody
waits for company. Work that hangs holds up nobody for long: after some patience another thread goes
on with what has come since.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

_Job = TypeVar("_Job")

GROWS: Final = 1.05
"""So many times as long as before a job is taken to last, at the most, after each piece of work."""


class Lane(Generic[_Job]):
    """Jobs that are done in their order, several at once.

    Args:
        name: Its own, and the beginning of its threads'.
        work: Does some jobs, at least one. Must not raise.
        threads: So many pieces of work at once at the most.
        most: Jobs in one piece.
        patience: Seconds after which a piece of work that goes on holds up the next no longer.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[_Job]], None],
        *,
        threads: int,
        most: int,
        patience: float,
    ) -> None:
        self.name = name
        self._work = work
        self._limit = threads
        self._most = most
        self._patience = patience
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._working = 0
        self._began = 0.0
        self._watched = False
        self._called = False
        self._seconds = 0.0
        self._busy_since = 0.0
        self._done = 0.0
        self._closed = False

    def put(self, *jobs: _Job) -> None:
        """Let them be done; a lane that is closed does nothing more."""
        with self._changed:
            if self._closed or not jobs:
                return
            self._jobs.extend(jobs)
            # Somebody is on the way already, or sees by himself when work goes on for too long.
            if self._called or (self._working and self._watched):
                return
            if self._idle:
                self._called = True
                self._changed.notify()
            elif self._threads < self._limit:
                self._called = True
                self._threads += 1
                name = f"{self.name}-{self._threads}"
                threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def waiting(self) -> int:
        """Jobs that nobody has begun."""
        return len(self._jobs)

    def wait(self, more: int = 0) -> float:
        """Seconds that a job which comes now, behind some more, is likely to wait to be done."""
        waiting = len(self._jobs) + more
        return (waiting + 1) * self._seconds if self._working or waiting else 0.0

    @property
    def age(self) -> float:
        """Seconds since the latest piece of work began that goes on; 0 when none does."""
        return time.monotonic() - self._began if self._working else 0.0

    def close(self) -> None:
        """Do nothing more; what is being done is not waited for."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        """What each thread does."""
        while jobs := self._taken():
            self._work(jobs)
            with self._changed:
                self._note(len(jobs))

    def _note(self, done: int) -> None:
        """Learn how long a job takes.

        What counts is the time since the last piece was done, since pieces may go on side by side;
        and the least of the latest, since a piece of many takes hardly longer than one of few where
        it is the store that is late.
        """
        now = time.monotonic()
        each = (now - max(self._done, self._busy_since)) / done
        self._seconds = min(each, GROWS * self._seconds) if self._seconds else each
        self._done = now
        self._working -= 1

    def _taken(self) -> list[_Job]:
        """The next piece of work; nothing once the lane is closed."""
        with self._changed:
            while not self._closed:
                self._called = False
                if self._jobs and self._left() <= 0:
                    self._began = time.monotonic()
                    if not self._working:
                        self._busy_since = self._began
                    self._working += 1
                    count = min(self._most, len(self._jobs))
                    return [self._jobs.popleft() for _ in range(count)]
                self._pause()
        return []

    def _left(self) -> float:
        """Seconds until the next piece of work may begin."""
        if not self._working:
            return 0.0
        return self._began + self._patience - time.monotonic()

    def _pause(self) -> None:
        """Wait for a change; one thread also for the end of patience."""
        watching = bool(self._jobs) and not self._watched
        self._watched |= watching
        self._idle += 1
        self._changed.wait(max(0.0, self._left()) if watching else None)
        self._idle -= 1
        if watching:
            self._watched = False
