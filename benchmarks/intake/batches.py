"""Batches of 500 events over HTTP, against bare SQLite that keeps the same bytes as safely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from benchmarks.figures import Figure, at_least, plain
from benchmarks.intake.made import batch
from benchmarks.intake.trial import Trial, intake, turn
from benchmarks.serving.servers import pinned
from benchmarks.stages import run_stage
from features.clock import SystemClock
from homing.rehearsal.measured import Measured

RATIO: Final = 0.3
BATCH: Final = 500
BATCHES: Final = 20
"""Different ones, sent in turn: the log keeps whatever comes."""
CONNECTIONS: Final = 4
WARMS: Final = 10
"""By what a server warms up, a turn is divided: what the log has of it is little."""
UNREAD: Final = "1000000000"
"""Nothing reads the log, so nothing may be refused for how much waits in it."""


def measure_batches(trial: Trial) -> list[Figure]:
    """The service and bare SQLite in turns, on the same core and disk."""
    now = SystemClock().now()
    bodies = [batch(number * BATCH, BATCH, now) for number in range(BATCHES)]
    ours: list[float] = []
    bare: list[float] = []
    late: list[float] = []
    for number in range(trial.times):
        measured = post(trial, f"batches-{number}", bodies)
        ours.append(BATCH * measured.rate)
        late.append(measured.latency().p99)
        file = str(trial.folder / f"bare-{number}.db")
        with pinned(trial.server):
            stage, _ = run_stage("intake.stages", "bare", file, str(trial.seconds))
        bare.append(stage.extra["rate"])
    ratio = median(ours) / median(bare)
    return [
        at_least("batches of 500 / bare SQLite, same bytes and durability", ratio, "ratio", RATIO),
        plain("batches of 500 by HTTP, durable", median(ours), "events/s"),
        plain("bare SQLite, batches of 500, durable", median(bare), "events/s"),
        plain("a batch of 500 by HTTP, p99", median(late), "ms"),
    ]


def post(trial: Trial, name: str, bodies: Sequence[bytes]) -> Measured:
    """One turn into an empty log, as its peer has an empty file.

    Raises:
        WrongAnswerError: A batch was refused.
    """
    with intake(trial, name, HOMING_LOG_MAX_DEPTH=UNREAD) as (server, headers):
        requests = [
            server.target.request("/v1/events", headers, method="POST", body=body)
            for body in bodies
        ]
        turn(replace(trial, seconds=trial.seconds / WARMS), server, requests, CONNECTIONS, 202)
        return turn(trial, server, requests, CONNECTIONS, 202)
