"""A scorer in a process of its own, as `homing serve` runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from features.errors import Unavailable

STARTS = 60.0
"""Seconds that it may take to become ready."""
ENDS = 15.0
"""Seconds that it may take to end."""


def free_port(wanted: int) -> int:
    """The wanted port of this machine, or any free one when it is taken or 0."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_scorer(port: int, settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run `homing serve` until the block ends.

    Args:
        port: On 127.0.0.1.
        settings: Environment variables on top of this process's own.
        log: File that gets its log.

    Yields:
        Its address, once it is ready.

    Raises:
        Unavailable: It ended or was not ready in time; the message names the log.
    """
    command = [sys.executable, "-m", "homing", "serve", "--port", str(port)]
    # Nobody but who runs it asks it, and nothing has to be told that it ends.
    environment = {**os.environ, "HOMING_DRAIN_SECONDS": "0", **settings}
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=environment, stdout=out, stderr=out
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, address, log)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(ENDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", timeout=2.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    status = process.poll()
    what = f"did not become ready in {STARTS:.0f} s" if status is None else f"ended with {status}"
    last = log.read_text(errors="replace").splitlines()[-1:]
    message = f"the scorer {what}: {' '.join(last)}; see {log}"
    raise Unavailable(message)
