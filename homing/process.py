"""How the process of a command behaves: when it is told to end, and when it ends by itself."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def stopped_by_signals() -> threading.Event:
    """What is set once the process is told to end, by SIGTERM or from the keyboard."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def at_once() -> Iterator[None]:
    """Without garbage collection, for a command that ends right after.

    Where a registry on disk needs MLflow's library, the collector would go through all that was
    imported again and again, and once more at the end: two fifths of the time that it takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
