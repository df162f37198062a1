"""Batches of 500 events over HTTP, against bare SQLite that keeps the same bytes as safely."""

from __future__ import annotations

from statistics import median
from typing import Final

from benchmarks.figures import Figure, at_least, plain
from benchmarks.intake.made import batch
from benchmarks.intake.trial import Trial, intake, turn
from benchmarks.serving.servers import pinned
from benchmarks.stages import run_stage
from features.clock import SystemClock

RATIO: Final = 0.3
BATCH: Final = 500
BATCHES: Final = 20
"""Different ones, sent in turn: the log keeps whatever comes."""
CONNECTIONS: Final = 4


def measure_batches(trial: Trial) -> list[Figure]:
    """The service and bare SQLite in turns, on the same core and disk."""
    now = SystemClock().now()
    bodies = [batch(number * BATCH, BATCH, now) for number in range(BATCHES)]
    ours: list[float] = []
    bare: list[float] = []
    late: list[float] = []
    with intake(trial, "batches") as (server, headers):
        requests = [
            server.target.request("/v1/events", headers, method="POST", body=body)
            for body in bodies
        ]
        turn(trial, server, requests, CONNECTIONS, 202)
        for number in range(trial.times):
            measured = turn(trial, server, requests, CONNECTIONS, 202)
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
