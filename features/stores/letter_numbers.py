"""Numbers of dead letters where no server counts: along time, and different in every process."""

from __future__ import annotations

import threading
from random import SystemRandom
from typing import Final

from features.clock import Clock

AT_ONCE: Final = 4_096
"""Numbers in a millisecond: processes choose different ones, and JSON can carry the whole."""


class LetterNumbers:
    """Gives numbers that grow.

    Args:
        clock: Tells the time that they begin with.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._random = SystemRandom()
        self._last = 0

    def next(self) -> int:
        """A number that no letter has."""
        now = int(self._clock.now().timestamp() * 1_000)
        with self._lock:
            self._last = max(self._last + 1, now * AT_ONCE + self._random.randrange(AT_ONCE))
            return self._last
