from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from features.settings import Settings
from serving.beside import IngestProcess


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[IngestProcess]:
    made = IngestProcess(Settings(home=tmp_path, secret="x" * 32))
    made.start()
    yield made
    made.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ingest_that_dies_is_started_again_and_ends_with_its_parent(beside: IngestProcess) -> None:
    assert beside.wait(20)
    first = beside.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def looked() -> int | None:
        beside.look()
        return beside.pid

    until(lambda: looked() not in {None, first})
    second = beside.pid
    assert second is not None
    assert alive(second)
    beside.stop()
    assert not alive(second)


def test_what_was_never_started_needs_no_stop(tmp_path: Path) -> None:
    IngestProcess(Settings(home=tmp_path, secret="x" * 32)).stop()
