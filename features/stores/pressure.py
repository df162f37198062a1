"""Back-pressure: an event log that is far behind takes no more in, whatever room its disk has.

What is refused is asked for again by whoever sent it (503 with `Retry-After`), and what was
acknowledged stays bounded: the time until it is in profiles and lake, and the disk that it takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from features.errors import Overloaded

MAX_DEPTH: Final = 1_000_000
"""Entries that may wait where nothing else is said: a minute of work for one ingest loop."""
LOOK_SECONDS: Final = 1.0
"""How old a look at the log may be; what this process appended since is added."""


class Pressure:
    """Lets appends in while fewer entries than a stated number wait.

    Args:
        place: The log, as messages name it.
        max_depth: From how many entries on appends are refused.
        look: How many there are in the log now.
    """

    def __init__(self, place: str, max_depth: int, look: Callable[[], int]) -> None:
        self._place = place
        self._max_depth = max_depth
        self._look = look
        self._lock = threading.Lock()
        self._depth = 0
        self._looked = -LOOK_SECONDS

    def admit(self, new: int) -> None:
        """Return if there is room for so many more.

        Raises:
            Overloaded: There is none.
            StoreUnavailable: The log can't be looked at.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= LOOK_SECONDS:
                self._depth = self._look()
                self._looked = now
            if self._depth + new > self._max_depth:
                raise full(self._place, self._depth, self._max_depth)
            self._depth += new


def full(place: str, depth: int, max_depth: int) -> Overloaded:
    """The refusal of a log with so many entries."""
    return Overloaded(
        f"{place}: {depth:,} events wait for `homing ingest`, and {max_depth:,} may "
        "(HOMING_LOG_MAX_DEPTH): send them again later; start more of it, or look why it is slow"
    )
