"""Several workers forked from one process, which runs them again when they die.

What was loaded before the fork is in memory once, as long as nobody writes to it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Final

import structlog

MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which several processes count into one folder; read when its library loads."""
_log = structlog.get_logger(__name__)
CHECK_SECONDS: Final = 0.2
STEADY_SECONDS: Final = 3.0
"""A worker that lived so long did not die of its start: the next may start at once. It is ready in
less than one, and several that are killed again and again must not all be waited for together."""
MOST_PATIENCE: Final = 30.0
"""Seconds that a worker waits at most which dies again and again."""


@dataclass
class _Place:
    """One worker, or who comes after it.

    Attributes:
        number: From 0.
        process: None before the first.
        begun: When it was forked, of a clock that only goes on.
        due: When the next may be forked.
        deaths: How many died young in a row.
    """

    number: int
    process: ForkProcess | None = None
    begun: float = 0.0
    due: float = 0.0
    deaths: int = 0

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.is_alive()


class Workers:
    """Runs so many workers until a signal ends them.

    Nothing that is forked may have threads, or connections to a store: they would not live on.

    Args:
        count: How many.
        work: What each does, told its number, from 0; it ends at SIGTERM.
        missed: Called with its number when one has died and will not be followed at once.
        beside: Called about every second, to look after other processes.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int], None],
        missed: Callable[[int], None],
        beside: Callable[[], None],
    ) -> None:
        self._work = work
        self._missed = missed
        self._beside = beside
        self._context = multiprocessing.get_context("fork")
        self._places = [_Place(number) for number in range(count)]
        self._signals: list[int] = []

    def run(self, drained: Callable[[], None], drain_seconds: float, end_seconds: float) -> None:
        """Run them until SIGTERM or Ctrl-C, and end them.

        Args:
            drained: Called once when those that drain have answered on for long enough.
            drain_seconds: How long that is.
            end_seconds: How long they may take to end after that; then they are killed.
        """
        handlers = {number: signal.signal(number, self._note) for number in _ENDS}
        # What is there now is never looked at by the collector, which would write to its pages.
        gc.collect()
        gc.freeze()
        try:
            looked = 0.0
            while not self._signals:
                for place in self._places:
                    self._keep(place)
                if time.monotonic() - looked >= 1:
                    looked = time.monotonic()
                    self._beside()
                self._pause()
            self._end(drained, drain_seconds, end_seconds)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._kill()

    def _keep(self, place: _Place) -> None:
        """See to it that there is a worker, or will be."""
        if place.lives:
            return
        now = time.monotonic()
        if place.process is not None:
            status = place.process.exitcode
            place.process.close()
            place.process = None
            place.deaths = 0 if now - place.begun >= STEADY_SECONDS else place.deaths + 1
            # At once, then after 1, 2, 4 … seconds: what dies at its start must keep no core busy.
            pause = min(MOST_PATIENCE, 2.0 ** (place.deaths - 2)) if place.deaths > 1 else 0.0
            place.due = now + pause
            _log.error(
                "worker died, starting another",
                worker=place.number,
                exit_status=status,
                after_seconds=pause,
            )
            if pause:
                self._missed(place.number)
        if now >= place.due:
            name = f"worker {place.number}"
            place.process = self._context.Process(target=self._run, args=[place.number], name=name)
            place.begun = now
            place.process.start()

    def _run(self, number: int) -> None:
        """The child's work."""
        for end in _ENDS:
            signal.signal(end, signal.SIG_DFL)
        if self._signals:
            return  # it came between the fork and here
        # Ctrl-C is for the parent, which tells its children.
        os.setpgrp()
        self._work(number)

    def _end(self, drained: Callable[[], None], drain_seconds: float, end_seconds: float) -> None:
        """Hand on what ends this process, and wait until all have ended."""
        began, told, after = time.monotonic(), 0, False
        first = self._signals[0]
        seconds = drain_seconds if first == signal.SIGTERM else 0.0
        while any(place.lives for place in self._places):
            for number in self._signals[told:]:
                told += 1
                self._tell(number)
            spent = time.monotonic() - began
            if not after and spent >= seconds:
                after = True
                drained()
            if spent >= seconds + end_seconds:
                return
            self._pause()

    def _tell(self, number: int) -> None:
        for place in self._places:
            if place.lives and place.process is not None and place.process.pid is not None:
                os.kill(place.process.pid, number)

    def _kill(self) -> None:
        for place in self._places:
            if place.process is not None and place.lives:
                _log.error("worker did not end, killing it", worker=place.number)
                place.process.kill()
                place.process.join()

    def _pause(self) -> None:
        """Until a worker ends, and not for long."""
        sentinels = [
            place.process.sentinel for place in self._places if place.process and place.lives
        ]
        wait(sentinels, CHECK_SECONDS) if sentinels else time.sleep(CHECK_SECONDS)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)


_ENDS: Final = (signal.SIGTERM, signal.SIGINT)
