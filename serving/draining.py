"""Ending without losing a request: a process says that it is not ready, and answers on awhile."""

from __future__ import annotations

import time


class Drain:
    """Whether this process is about to end.

    Args:
        seconds: How long it answers on; from 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    @property
    def draining(self) -> bool:
        """Whether balancers should send no more requests."""
        return self._until is not None

    @property
    def over(self) -> bool:
        """Whether the time to answer on has passed."""
        return self._until is not None and time.monotonic() >= self._until

    def begin(self) -> bool:
        """Begin; whether this was the first call, and there is time to answer on."""
        first = self._until is None
        if first:
            self._until = time.monotonic() + self._seconds
        return first and self._seconds > 0
