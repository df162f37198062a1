"""SIGTERM under load: every request that was sent is answered."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from features.clock import SystemClock
from homing.child import free_port
from serving.keys import KeyFile
from tests.integration.test_serve import fill
from tests.unit.serving.kit import SECRET

DRAIN = 1.0
CLIENTS = 24
"""Enough to have some connections wait to be accepted at any moment."""
ASK = "/v1/recommendations?customer=anna&block=hero"


@contextmanager
def scorer(
    home: Path, workers: int, drain: float = DRAIN
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A scorer that is ready, and its port."""
    url, port = f"sqlite:///{home / 'profiles.db'}", free_port(0)
    fill(home, url)
    settings = {
        "HOMING_HOME": str(home),
        "HOMING_SECRET": SECRET,
        "HOMING_WORKERS": str(workers),
        "HOMING_DRAIN_SECONDS": str(drain),
        "HOMING_INGEST": "false",
    }
    command = [sys.executable, "-m", "homing", "serve", "--port", str(port)]
    with (home / "scorer.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=log)  # noqa: S603 - ours
    try:
        until = time.monotonic() + 30
        while ready(port) != 200:
            assert time.monotonic() < until, (home / "scorer.log").read_text()
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def ready(port: int) -> int | None:
    """What `/readyz` answers; None when nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


@dataclass
class Load:
    """A client, and what became of each of its requests.

    A request counts from the moment when the connection is there: who can't connect knows that
    nothing was asked, and asks elsewhere.
    """

    port: int
    token: str
    keeps: bool
    """Whether it keeps its connection for the next request."""
    outcomes: Counter[str] = field(default_factory=Counter)
    lasted: float = 0.0

    def run(self, ended: threading.Event) -> None:
        """Ask again and again until nobody listens."""
        while not ended.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            self._ask(connection, ended)
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, ended: threading.Event) -> None:
        while connection.sock is not None and not ended.is_set():
            try:
                connection.request("GET", ASK, headers={"authorization": f"Bearer {self.token}"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[repr(error)] += 1
                return
            full = answer.status == 200 and body.endswith(b"]}")
            self.outcomes["answered" if full else f"{answer.status} {body!r}"] += 1
            self.lasted = time.monotonic()
            if not self.keeps:
                return


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scorer_that_is_told_to_end_loses_no_request(tmp_path: Path, workers: int) -> None:
    token = KeyFile(tmp_path / "keys.json", SystemClock()).create("test", ["recommend"]).token
    with scorer(tmp_path, workers) as (process, port):
        loads = [Load(port, token, keeps=number % 2 == 0) for number in range(CLIENTS)]
        ended = threading.Event()
        threads = [threading.Thread(target=load.run, args=(ended,)) for load in loads]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert ready(port) == 503
        assert process.wait(20) == 0
        took = time.monotonic() - told
        for thread in threads:
            thread.join(10)
        ended.set()
    outcomes = sum((load.outcomes for load in loads), Counter[str]())
    assert set(outcomes) == {"answered"}
    assert outcomes["answered"] > 50
    assert max(load.lasted for load in loads) - told > DRAIN
    assert took < DRAIN + 5


def test_a_second_signal_ends_the_drain(tmp_path: Path) -> None:
    with scorer(tmp_path, 1, drain=60) as (process, _):
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - told < 30


def test_workers_end_with_the_process_that_forked_them(tmp_path: Path) -> None:
    with scorer(tmp_path, 2) as (process, port):
        process.kill()
        process.wait()
        until = time.monotonic() + 20
        while ready(port) is not None:
            assert time.monotonic() < until
            time.sleep(0.05)
