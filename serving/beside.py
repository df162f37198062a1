"""The ingest loop in a process of its own, beside the one that answers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from importlib.util import find_spec
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event

import structlog

from features.errors import MissingExtra
from features.logs import configure_logs
from features.settings import Settings
from serving.following import Follower

_log = structlog.get_logger(__name__)
CHECK_SECONDS = 1.0
"""From one look at the other process to the next."""
_STOP_SECONDS = 10.0


class IngestProcess:
    """Runs the ingest loop; whoever calls `look` now and then has it run again when it dies.

    Args:
        settings: Of the loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Spawned, not forked: a fork would copy locks of threads that do not exist in the child.
        self._context = multiprocessing.get_context("spawn")
        self._process: SpawnProcess | None = None
        self._begun = self._context.Event()

    @property
    def pid(self) -> int | None:
        """Of the process that runs the loop now; None before the first."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the loop.

        Raises:
            MissingExtra: The lake's library is not installed, as in an image that only serves.
        """
        if find_spec("deltalake") is None:
            what = "`serve` with ingest beside it (else set HOMING_INGEST=false)"
            raise MissingExtra(what, "ingest")
        self.look()

    def look(self) -> None:
        """Start the loop unless it runs."""
        process = self._process
        if process is not None:
            if process.is_alive():
                return
            _log.error("ingest died, starting it again", exit_status=process.exitcode)
        # Its parent's death must end it, so it is not a daemon but looks for its parent itself.
        arguments = (self._settings, os.getpid(), self._begun)
        self._process = self._context.Process(target=run_beside, args=arguments, name="ingest")
        self._process.start()

    def wait(self, seconds: float) -> bool:
        """Wait until the loop takes events; whether it did in time."""
        return self._begun.wait(seconds)

    def stop(self) -> None:
        """End the loop after the batch that it works on."""
        process = self._process
        if process is None:
            return
        process.terminate()
        process.join(_STOP_SECONDS)
        if process.is_alive():
            # Nothing is lost: it goes on from its last committed place next time.
            process.kill()
            process.join()


def run_beside(settings: Settings, parent: int, begun: Event) -> None:
    """The child's work: the loop, until SIGTERM, or until its parent is gone.

    Args:
        settings: Of the loop.
        parent: Process id of who started it.
        begun: Set when the loop begins.
    """
    # Here, because an image that only serves has no library of the lake.
    from features.ingest import run_ingest  # noqa: PLC0415 - as said

    configure_logs(settings.log_level)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Ctrl-C reaches both; the parent says when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def look() -> None:
        if os.getppid() != parent:
            stop.set()

    watch = Follower("parent", CHECK_SECONDS, look)
    watch.start()
    begun.set()
    run_ingest(settings, stop)
    watch.stop()
