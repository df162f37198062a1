"""Single signed webhooks: durable, against the same route with a log in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from statistics import median
from typing import Final

from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.intake.made import signed
from benchmarks.intake.trial import Trial, intake, turn
from benchmarks.serving.servers import Server
from benchmarks.serving.trials import WrongAnswerError
from features.clock import SystemClock
from homing.rehearsal.measured import Measured

RATIO: Final = 0.5
LATE_MS: Final = 50.0
CONNECTIONS: Final = 64
MOST_RATE: Final = 12_000
"""Deliveries a second that are made ready: all different, for what comes again is not kept."""
PATH: Final = "/v1/webhooks/standard-webhooks"
CONTESTANTS: Final = {
    "durable": {},
    "log in memory": {"HOMING_LOG_URL": "memory://"},
    "log and store in memory": {"HOMING_LOG_URL": "memory://", "HOMING_STORE_URL": "memory://"},
}


def measure_webhooks(trial: Trial) -> list[Figure]:
    """All contestants side by side, asked in turns."""
    found: dict[str, list[Measured]] = {name: [] for name in CONTESTANTS}
    numbers = count()
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(intake(trial, name.replace(" ", "-"), **settings)).server
            for name, settings in CONTESTANTS.items()
        }
        for number in range(trial.times + 1):
            for name, server in servers.items():
                measured = deliver(trial, server, numbers)
                if number:  # the first warms up
                    found[name].append(measured)
    rates = {name: median(one.rate for one in turns) for name, turns in found.items()}
    late = median(one.latency().p99 for one in found["durable"])
    ratio = rates["durable"] / rates["log in memory"]
    return [
        at_least("signed webhooks / the same without durability", ratio, "ratio", RATIO),
        at_most("signed webhook, 64 connections, p99", late, "ms", LATE_MS),
        *(plain(f"signed webhooks, {name}", rate, "requests/s") for name, rate in rates.items()),
    ]


def deliver(trial: Trial, server: Server, numbers: Iterator[int]) -> Measured:
    """One turn of deliveries that never came before.

    Raises:
        WrongAnswerError: One was refused, or there were too few of them.
    """
    now = SystemClock().now()
    ready = [signed(next(numbers), now) for _ in range(round(MOST_RATE * trial.seconds))]
    requests = [
        server.target.request(PATH, headers, method="POST", body=body) for headers, body in ready
    ]
    measured = turn(trial, server, requests, CONNECTIONS, 200)
    if len(measured.statuses) > len(requests):
        message = f"faster than {MOST_RATE:,} a second: make more deliveries ready"
        raise WrongAnswerError(message)
    return measured
