from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from features.errors import SettingsError, StoreUnavailable
from homing.follow.command import run_until_stopped
from homing.follow.stream import Take
from tests.followed import Taken


class Ending:
    """A stream that ends in its own way once it is told to."""

    def __init__(self, end: Callable[[], object]) -> None:
        self._end = end

    def run(self, take: Take, stop: threading.Event) -> None:  # noqa: ARG002 - a Stream
        """Wait, then end."""
        stop.wait(10)
        self._end()


def fail(error: Exception) -> Callable[[], object]:
    def end() -> None:
        raise error

    return end


def stopped(end: Callable[[], object]) -> None:
    """Run a stream that is told to stop at once."""
    take = Taken(1)
    take.stop.set()
    run_until_stopped(Ending(end), take, take.stop)


def test_who_is_told_to_stop_while_the_log_is_away_ends_well() -> None:
    stopped(fail(StoreUnavailable("the log is away")))


def test_what_else_ends_it_is_told_though_it_was_told_to_stop() -> None:
    with pytest.raises(SettingsError, match="refused"):
        stopped(fail(SettingsError("refused")))


def test_a_stream_that_does_not_end_in_time_is_left_alone() -> None:
    go_on = threading.Event()
    begun = time.monotonic()
    stopped(lambda: go_on.wait(10))
    assert time.monotonic() - begun < 2
    go_on.set()
