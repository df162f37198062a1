"""Workers that are forked: real processes, which write down what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@contextmanager
def running(folder: Path, work: str, count: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    """A process with so many workers, each of which does this."""
    script = f"""
import os, pathlib, signal, sys, time
from serving.workers import Workers
folder = pathlib.Path({str(folder)!r})
def note(name):
    (folder / f"{{name}}.{{os.getpid()}}").touch()
def work(number):
    note("worker")
    note(f"number {{number}}")
    {work}
workers = Workers({count}, work, lambda number: note("missed"), lambda: note("beside"))
workers.run(lambda: note("drained"), 0.3, 1.0)
note("ended")
"""
    process = subprocess.Popen([sys.executable, "-c", script])  # noqa: S603 - our own script
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def noted(folder: Path, name: str) -> list[int]:
    """The processes that wrote this down."""
    return sorted(int(path.suffix[1:]) for path in folder.glob(f"{name}.*"))


def until(folder: Path, name: str, count: int) -> list[int]:
    deadline = time.monotonic() + 20
    while len(noted(folder, name)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return noted(folder, name)


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    with running(tmp_path, "signal.pause()") as process:
        first = until(tmp_path, "worker", 2)
        os.kill(first[0], signal.SIGKILL)
        second = until(tmp_path, "worker", 3)
        assert len(until(tmp_path, "number 0", 1) + until(tmp_path, "number 1", 1)) == 3
        assert noted(tmp_path, "missed") == []
        assert not gone(first[1])
        assert until(tmp_path, "beside", 1) == [process.pid]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert noted(tmp_path, "ended") == [process.pid]
    assert all(gone(worker) for worker in second)


def test_one_that_dies_again_and_again_waits_longer_each_time(tmp_path: Path) -> None:
    with running(tmp_path, "sys.exit(3)", count=1) as process:
        # At once, at once, after one second, after two.
        until(tmp_path, "worker", 3)
        began = time.monotonic()
        until(tmp_path, "worker", 4)
        assert time.monotonic() - began > 1.5
        assert noted(tmp_path, "missed") == [process.pid]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_those_that_do_not_end_are_killed_after_the_drain(tmp_path: Path) -> None:
    deaf = "signal.signal(signal.SIGTERM, lambda *_: None)\n    while True: time.sleep(1)"
    with running(tmp_path, deaf) as process:
        workers = until(tmp_path, "worker", 2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began > 1.3
    assert noted(tmp_path, "drained") == [process.pid]
    assert all(gone(worker) for worker in workers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_hear_the_signal_once_and_not_from_the_terminal(
    tmp_path: Path, number: signal.Signals
) -> None:
    count = "heard = []\n    signal.signal(signal.SIGINT, lambda *_: heard.append(1))"
    count += "\n    signal.signal(signal.SIGTERM, lambda *_: heard.append(1))"
    count += "\n    while not heard: time.sleep(0.01)"
    count += '\n    time.sleep(0.3)\n    note(f"heard {len(heard)}")'
    with running(tmp_path, count) as process:
        until(tmp_path, "worker", 2)
        time.sleep(0.2)
        process.send_signal(number)
        assert process.wait(10) == 0
    assert len(noted(tmp_path, "heard 1")) == 2
