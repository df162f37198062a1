"""A breaker: a store that hangs must not hold every thread that asks it."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Breaker:
    """Opens after some failures in a row; closes when the store is heard of again.

    While it is open nobody's answer waits for the store. What closes it is whoever looks at the
    store in the background (`serving.refresh`), so that no customer's mail is the probe.

    Args:
        failures: How many in a row open it.
    """

    def __init__(self, failures: int = 3) -> None:
        self._limit = failures
        self._lock = threading.Lock()
        self._failed = 0

    @property
    def closed(self) -> bool:
        """Whether the store may be asked."""
        return self._failed < self._limit

    def succeeded(self) -> None:
        """The store answered."""
        self._failed = 0

    def failed(self) -> None:
        """The store refused, or did not answer in time."""
        with self._lock:
            self._failed += 1


class Call(NamedTuple):
    """A call to the store that somebody waits for.

    Attributes:
        began: When, by `time.monotonic`.
        breaker: Of what is called.
        dependency: Its name in metrics.
    """

    began: float
    breaker: Breaker
    dependency: str
