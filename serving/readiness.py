"""Whether a process should be sent requests: from when all workers listen until it is to end."""

from __future__ import annotations

import time
from mmap import mmap
from typing import Final

PATIENCE_SECONDS: Final = 10.0
"""How long the first worker waits for the others to begin."""


class Together:
    """Which workers have begun to answer; processes that are forked share it.

    Args:
        count: How many there are to be.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._begun = mmap(-1, count)

    @property
    def all(self) -> bool:
        """Whether each has begun, at least once."""
        return 0 not in self._begun[: self._count]

    def begin(self, number: int) -> None:
        """Note that a worker, of numbers from 0, has begun."""
        self._begun[number] = 1


class Readiness:
    """Whether this process should be sent requests.

    Not before the others listen too: connections that are kept would all be with the first. And not
    once it was told to end, though it answers on for a while so that none is lost.

    Args:
        drain_seconds: How long it answers on; from 0.
        together: All workers; None when this is the only one.
    """

    def __init__(self, drain_seconds: float, together: Together | None = None) -> None:
        self._seconds = drain_seconds
        self._together = together
        self._begun: float | None = None
        self._until: float | None = None

    @property
    def ready(self) -> bool:
        """Whether to send it requests."""
        if self._until is not None:
            return False
        if self._together is None or self._together.all:
            return True
        return self._begun is not None and time.monotonic() - self._begun >= PATIENCE_SECONDS

    @property
    def over(self) -> bool:
        """Whether the time to answer on has passed."""
        return self._until is not None and time.monotonic() >= self._until

    def begin(self, number: int) -> None:
        """This process, the worker of that number, listens."""
        self._begun = time.monotonic()
        if self._together is not None:
            self._together.begin(number)

    def drain(self) -> bool:
        """Begin to end; whether this was the first call, and there is time to answer on."""
        first = self._until is None
        if first:
            self._until = time.monotonic() + self._seconds
        return first and self._seconds > 0
