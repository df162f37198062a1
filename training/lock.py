"""One training job at a time in one home: a lock that ends with its process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.clock import Clock
from features.errors import AlreadyRunning, SettingsError

NAME = "training.lock"


@contextmanager
def only_one(home: Path, what: str, clock: Clock) -> Iterator[None]:
    """Hold the lock of a home, which all jobs that change models or published profiles share.

    Args:
        home: `HOMING_HOME`.
        what: What is being done, for whoever is refused meanwhile.
        clock: Tells since when.

    Raises:
        AlreadyRunning: Another process holds it; the message names it.
        SettingsError: The folder can't be written.
    """
    path = home / NAME
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        message = f"HOMING_HOME {home} can't be written: {error.strerror}; choose another folder"
        raise SettingsError(message) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            message = f"{what} has to wait: {holder}; try again when it has ended"
            raise AlreadyRunning(message) from error
        file.truncate(0)
        file.write(f"{what} runs as process {os.getpid()} since {clock.now():%Y-%m-%d %H:%M} UTC")
        file.flush()
        yield
