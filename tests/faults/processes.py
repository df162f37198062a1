"""Processes that faults are done to, each killed, stopped and started again at will."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.faults.proxy import HOST
from tests.services import free_port, require

PATIENCE = 60.0


class Process:
    """A program that can be run again and again.

    Args:
        command: What to run.
        port: Where it listens, on `HOST`.
        log: File that gets what it prints.
        ready: Whether it answers.
        environment: Variables on top of our own.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it, and return once it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self._command, env=self._environment, stdout=log, stderr=log
            )
        eventually(lambda: self._process_lives() and self._ready(), self._said)

    def kill(self) -> None:
        """End it with SIGKILL, as a machine that breaks does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it with SIGTERM, or by force where that doesn't."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        self._process.kill()
        self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still, with all its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _process_lives(self) -> bool:
        assert self._process is not None
        status = self._process.poll()
        assert status is None, f"{self._command[:4]} ended with {status}: {self._said()}"
        return True

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2_000:]


def eventually(
    holds: Callable[[], bool], why: Callable[[], str] = str, patience: float = PATIENCE
) -> float:
    """The seconds until something holds.

    Raises:
        AssertionError: It did not, for too long.
    """
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < patience, why()
        time.sleep(0.02)
    return time.monotonic() - began


def redis_process(folder: Path) -> Process:
    """A Redis that keeps nothing on disk: killed, it comes back empty."""
    program, port = require("redis-server", "redis-server"), free_port()
    options = ["--port", str(port), "--bind", HOST, "--save", "", "--dir", str(folder)]
    return Process([program, *options], port, folder / "redis.log", lambda: listens(port))


def registry_process(folder: Path) -> Process:
    """MLflow's own server over a registry of two versions of the recommender, the first champion.

    Args:
        folder: Where registry and artifacts are; made at the first start.
    """
    port = free_port()
    command = [sys.executable, "-m", "tests.faults.registry", str(folder), str(port)]
    return Process(command, port, folder / "registry.log", lambda: listens(port))


def scorer_process(home: Path, settings: Mapping[str, str]) -> Process:
    """`homing serve`."""
    port = free_port()
    command = [sys.executable, "-m", "homing", "serve", "--host", HOST, "--port", str(port)]

    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{port}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    return Process(command, port, home / "scorer.log", ready, settings)


def children(pid: int) -> list[int]:
    """Processes that a process has started and that run, without Python's own helpers."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {int(child): command_of(int(child)) for child in listed}
    return [pid for pid, said in commands.items() if said and b"resource_tracker" not in said]


def command_of(pid: int) -> bytes:
    """What a process was begun with, and those forked from it; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
