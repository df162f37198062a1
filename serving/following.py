"""Threads that look at something again and again, beside the answering."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Follower:
    """Calls a function now and then every so many seconds, in a thread of its own.

    Args:
        name: Of the thread.
        seconds: From the end of one call to the beginning of the next.
        tick: What to do; it must not raise.
    """

    def __init__(self, name: str, seconds: float, tick: Callable[[], None]) -> None:
        self._seconds = seconds
        self._tick = tick
        self._stopped = threading.Event()
        self._looked = threading.Event()
        # A daemon: a dependency that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the first call to end; whether it did in time."""
        return self._looked.wait(seconds)

    def stop(self, seconds: float = 2.0) -> None:
        """Begin no further call, and wait a little for the one that runs."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._tick()
            self._looked.set()
            self._stopped.wait(self._seconds)
