"""Servers that tests start for themselves, on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def require(program: str, package: str) -> str:
    """Where a program is.

    A test that needs it skips where it is missing, with the line that installs it; with
    `HOMING_REQUIRE_SERVICES=1`, as in CI, it fails instead.
    """
    found = shutil.which(program)
    if found is not None:
        return found
    message = f"{program} is not installed: apt-get install {package}"
    if os.environ.get("HOMING_REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    return port


@contextmanager
def redis_server(*options: str, port: int | None = None) -> Iterator[str]:
    """A Redis server that keeps nothing on disk; gives its URL, without a database.

    Args:
        options: More for its command line, like `--requirepass`, `secret`.
        port: Where it listens; a free port without one.
    """
    program = require("redis-server", "redis-server")
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        log = Path(folder, "redis.log")
        with log.open("wb") as output:
            server = subprocess.Popen(  # noqa: S603 - the program that was found above
                [*command, folder, *options], stdout=output, stderr=subprocess.STDOUT
            )
        try:
            _await(server, port, log)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    message = f"redis-server did not come up: {log.read_text(errors='replace')[-500:]}"
    raise RuntimeError(message)
