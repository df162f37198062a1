"""From an event that is accepted to a slate that has changed, while a thousand a second come in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import httpx
import msgspec
import numpy as np

from benchmarks.figures import Figure, at_most, plain
from benchmarks.intake.made import batch, told
from benchmarks.intake.trial import Trial, sender
from benchmarks.serving.servers import Server, pinned, scorer
from benchmarks.serving.shop import BLOCK, make_shop
from benchmarks.serving.trials import WrongAnswerError
from features.clock import SystemClock
from homing.rehearsal.load import Sending, evenly, open_loop

CHANGED_MS: Final = 500.0
RATE: Final = 1_000
"""Events a second meanwhile."""
TOGETHER: Final = 10
"""Of them in one request."""
CONNECTIONS: Final = 64
LOOK_SECONDS: Final = 0.005
"""Between two looks at a slate."""
PATIENCE: Final = 10.0
CUSTOMERS: Final = 100
NUMBERED: Final = 500_000_000
"""From which number on events are the probes' own."""


@dataclass(frozen=True)
class _Prober:
    """Buys what a slate shows, and looks until it does not any more."""

    client: httpx.Client
    reading: dict[str, str]
    sending: dict[str, str]

    def shown(self, customer: str) -> list[str]:
        answer = self.client.get(
            "/v1/recommendations",
            params={"customer": customer, "block": BLOCK},
            headers=self.reading,
        )
        answer.raise_for_status()
        return [item["id"] for item in answer.json()["items"]]

    def probe(self, customer: str, number: int) -> float:
        """Seconds from the acknowledgement to the first slate that differs."""
        before = self.shown(customer)
        now = SystemClock().now()
        fields = {"type": "purchase", "customer": customer, "item": before[0]}
        body = msgspec.json.encode([told(NUMBERED + number, now, **fields)])
        self.client.post("/v1/events", content=body, headers=self.sending).raise_for_status()
        accepted = time.perf_counter()
        while self.shown(customer) == before:
            if time.perf_counter() - accepted > PATIENCE:
                message = f"the slate is the same {PATIENCE:g} s after {before[0]} was bought"
                raise WrongAnswerError(message)
            time.sleep(LOOK_SECONDS)
        return time.perf_counter() - accepted


def measure_freshness(trial: Trial) -> list[Figure]:
    """The scorer and the ingest loop beside it share a core."""
    shop = make_shop(trial.folder / "shop", trial.items, settled=1, changed=CUSTOMERS)
    sending = sender(shop.home)
    settings = {"HOMING_INGEST": "true", "HOMING_DRAIN_SECONDS": "0"}
    with scorer(shop, (trial.server,), **settings) as server:
        reading = {"Authorization": f"Bearer {shop.token}"}
        address = f"http://127.0.0.1:{server.target.port}"
        with (
            httpx.Client(base_url=address, timeout=PATIENCE) as client,
            ThreadPoolExecutor(1) as pool,
        ):
            prober = _Prober(client, reading, sending)
            prober.probe(shop.changed[0], -1)  # warms up
            length = max(trial.seconds, 1.0)
            loads = pool.submit(_load, trial, server, sending, length)
            took, sent = [], 0.0
            customers, numbers = cycle(shop.changed), iter(range(trial.probes))
            for number in numbers:
                took.append(1_000 * prober.probe(next(customers), number))
                if loads.done():
                    sent = max(sent, loads.result())
                    loads = pool.submit(_load, trial, server, sending, length)
            sent = max(sent, loads.result())
    p50, p99 = np.quantile(took, (0.5, 0.99)).tolist()
    return [
        at_most(f"accepted to another slate at {RATE:,} events/s, p99", p99, "ms", CHANGED_MS),
        plain("the same, p50", p50, "ms"),
        plain("events that came meanwhile", sent, "events/s"),
    ]


def _load(trial: Trial, server: Server, headers: dict[str, str], length: float) -> float:
    """Send events for so many seconds; how many a second were taken."""
    now = SystemClock().now()
    requests = [
        server.target.request("/v1/events", headers, method="POST", body=body)
        for body in _bodies(round(RATE * length / TOGETHER), round(now.timestamp()))
    ]
    with pinned(trial.load):
        due = evenly(RATE / TOGETHER, len(requests))
        measured = open_loop(Sending(server.target, CONNECTIONS), requests, due)
    if set(measured.statuses.tolist()) != {202}:
        message = f"not all were taken: {measured.figures()}"
        raise WrongAnswerError(message)
    return TOGETHER * measured.rate


def _bodies(requests: int, first: int) -> Iterator[bytes]:
    now = SystemClock().now()
    for number in range(requests):
        yield batch(first + number * TOGETHER, TOGETHER, now)
