"""Deadlines of very many, nearly all of whom are done long before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

TICK_SECONDS: Final = 0.005
"""How exactly deadlines are kept."""

_Kept = TypeVar("_Kept")


class Deadlines(Generic[_Kept]):
    """Calls for each whose time is over before it is done.

    A timer of the loop for each would cost more than all else that is done to keep it. Here they
    are put together by the tick in which their time is over. Used from one event loop at a time.

    Args:
        over: Is called with each, at most about `TICK_SECONDS` late.
    """

    def __init__(self, over: Callable[[_Kept], None]) -> None:
        self._over = over
        self._due: dict[int, dict[_Kept, None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, one: _Kept, until: float) -> None:
        """Call for one at this moment of `time.monotonic`, unless it is done by then."""
        self._due.setdefault(_tick_of(until), {})[one] = None
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(TICK_SECONDS, self._tick, loop)

    def done(self, one: _Kept, until: float) -> None:
        """It is done; it may have been called for already."""
        kept = self._due.get(_tick_of(until))
        if kept is not None:
            kept.pop(one, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        now = _tick_of(time.monotonic())
        for tick in [tick for tick in self._due if tick < now]:
            for one in self._due.pop(tick):
                self._over(one)
        if self._due:
            loop.call_later(TICK_SECONDS, self._tick, loop)
        else:
            self._loop = None


def _tick_of(moment: float) -> int:
    return int(moment / TICK_SECONDS)
