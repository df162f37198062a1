"""What the stages of taking events in share: how large they are, a server, one turn of load."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figures import TIMES
from benchmarks.intake.made import SECRET, SIGNING
from benchmarks.serving.servers import LOAD_CORE, SERVER_CORE, Server, pinned, serving
from benchmarks.serving.trials import SECONDS, WrongAnswerError
from features.clock import SystemClock
from homing.rehearsal.load import Sending, closed_loop
from homing.rehearsal.measured import Measured
from serving.keys import KeyFile, Scope

JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Trial:
    """How large a run is, and where it runs.

    Attributes:
        folder: For everything that is made.
        server: The core of what is measured.
        load: The core of who asks.
        seconds: Of one turn.
        times: Turns of each contestant; the median counts.
        events: That go through the ingest loop.
        rows: That are imported.
        items: Of the shop whose slates change.
        probes: How often a slate is looked at until it changes.
    """

    folder: Path
    server: int = SERVER_CORE
    load: int = LOAD_CORE
    seconds: float = SECONDS
    times: int = TIMES
    events: int = 2_000_000
    rows: int = 10_000_000
    items: int = 10_000
    probes: int = 300


class Intake(NamedTuple):
    """A server that takes events in.

    Attributes:
        server: It.
        headers: Of a request with a key that may send events.
    """

    server: Server
    headers: dict[str, str]


@contextmanager
def intake(trial: Trial, name: str, **settings: str) -> Iterator[Intake]:
    """`homing serve` on an empty home, without the ingest loop.

    Args:
        trial: Where.
        name: Of its home.
        settings: More environment variables.
    """
    home = trial.folder / name
    home.mkdir()
    environment = {
        "HOMING_HOME": str(home),
        "HOMING_SECRET": SECRET,
        "HOMING_INGEST": "false",
        "HOMING_LOG_LEVEL": "error",
        "HOMING_START_SECONDS": "0",
        "HOMING_DRAIN_SECONDS": "0",
        "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": SIGNING,
        **settings,
    }
    headers = sender(home)
    command = [sys.executable, "-m", "homing", "serve", "--port", "PORT"]
    log = home / "server.log"
    with serving(command, "/healthz", log, environment, (trial.server,)) as server:
        yield Intake(server, headers)


def sender(home: Path) -> dict[str, str]:
    """Headers of who may send events to a server of that home."""
    key = KeyFile(home / "keys.json", SystemClock()).create("load", [Scope.EVENTS])
    return {"Authorization": f"Bearer {key.token}", **JSON}


def turn(
    trial: Trial, server: Server, requests: Sequence[bytes], connections: int, status: int
) -> Measured:
    """One turn in a closed loop.

    Raises:
        WrongAnswerError: An answer had another status, or did not come.
    """
    sending = Sending(server.target, connections)
    with pinned(trial.load):
        measured = closed_loop(sending, requests, trial.seconds)
    if set(measured.statuses.tolist()) != {status}:
        message = f"not all {status}: {measured.figures()}"
        raise WrongAnswerError(message)
    return measured
