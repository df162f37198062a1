"""What a process counts of itself, each name spelled once, with what to do when it moves.

No label names a customer, and every label has few values.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from serving.workers import MULTIPROCESS

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
MOST_NOTED: Final = 1_000
"""Notes that wait to be counted together."""
_Note = TypeVar("_Note")


class Metrics:
    """The metrics of one process.

    Answers and requests are noted when they happen, and counted together soon after: between two
    requests, counting takes several times as long as in a row.
    """

    def __init__(self) -> None:
        self.registry: CollectorRegistry = _Registry(self.count)
        self._answered: deque[tuple[str, str | None, str]] = deque()
        self._requested: deque[tuple[str, str, int, float]] = deque()
        self.answers = self._counter(
            "homing_answers",
            "Slates answered, by rung and reason. A growing share below `model`: see the reason.",
            ("rung", "reason"),
        )
        self.made = self._counter(
            "homing_answers_made",
            "Answers by what they were made from: pinned, stored, live or lower. Few stored ones"
            " although nothing changes: publish again.",
            ("from",),
        )
        self.requests = self._counter(
            "homing_requests", "Requests, by route and status.", ("method", "route", "status")
        )
        self.latency = Histogram(
            "homing_request_seconds",
            "Time to answer. The template fetch must stay far below its deadline.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.events = self._counter(
            "homing_events_accepted", "Events made durable. Flat while mails go out: see senders."
        )
        self._take_in()
        self.exposures = self._counter(
            "homing_exposures",
            "Slates whose showing was recorded. Each new answer to a send is one.",
        )
        self.exposures_lost = self._counter(
            "homing_exposures_lost",
            "Slates whose showing was not: the event log is down for long, or there is none.",
            ("reason",),
        )
        self.failures = self._counter(
            "homing_dependency_errors",
            "Calls that a dependency refused or did not answer in time: look at that dependency.",
            ("dependency",),
        )
        self.best_items = self._counter(
            "homing_best_items",
            "Best items of sampled answers, found by a look at all scores.",
        )
        self.missed_items = self._counter(
            "homing_best_items_missed",
            "Those of them that the answer did not have: 1 - missed / best is the recall.",
        )
        self.internal = self._counter(
            "homing_internal_errors", "Errors nobody foresaw; each is in the log. Report them."
        )
        self._follow()

    def _take_in(self) -> None:
        """What is counted of what sources push."""
        self.webhook_events = self._counter(
            "homing_webhooks_accepted",
            "Events that sources pushed, made durable. Flat: see the sender's list of deliveries.",
            ("source",),
        )
        self.webhooks_refused = self._counter(
            "homing_webhooks_refused",
            "Deliveries refused. Of a wrong `signature`: compare the secret; or somebody forges.",
            ("source", "reason"),
        )
        self.webhooks_repeated = self._counter(
            "homing_webhooks_repeated",
            "Deliveries that came before and say nothing new. Many: answers come too late.",
            ("source",),
        )
        self.webhooks_buried = self._counter(
            "homing_webhooks_buried",
            "Parts of deliveries that could not be read: homing replay.",
            ("source",),
        )

    def _follow(self) -> None:
        """What is counted of what a process follows."""
        self.reloads = self._counter("homing_reloads", "Models swapped in.")
        self.reload_failures = self._counter(
            "homing_reload_failures",
            "Models refused when loading; the one before keeps serving. The log names the file.",
        )
        self.blocks_refused = self._counter(
            "homing_blocks_refused",
            "Files of blocks refused; the blocks before stay. The log names what to mend.",
        )
        self.registry_up = self._gauge(
            "homing_registry_up", "1 while the model registry answers. 0 changes no answer."
        )
        self.store_up = self._gauge(
            "homing_store_up", "1 while the profile store answers. 0: answers are `popular`."
        )
        self.model_version = self._gauge(
            "homing_model_version", "Version of the recommender that serves; 0 without one."
        )
        self.catalogue_items = self._gauge(
            "homing_catalogue_items", "Items in the copy that answers are drawn from."
        )

    def note_answer(self, rung: str, reason: str | None, made: str) -> None:
        """Count an answer.

        Args:
            rung: That served it.
            reason: Why it is not the model's own; None when it is.
            made: What it was made from.
        """
        self._answered.append((rung, reason, made))
        if len(self._answered) >= MOST_NOTED:
            self.count()

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and the time that it took."""
        self._requested.append((method, route, status, seconds))
        if len(self._requested) >= MOST_NOTED:
            self.count()

    def count(self) -> None:
        """Count what was noted; from any thread."""
        for (rung, reason, made), number in Tally(_taken(self._answered)).items():
            self.answers.labels(rung, reason or "").inc(number)
            self.made.labels(made).inc(number)
        requests: Tally[tuple[str, str, int]] = Tally()
        times: dict[str, Histogram] = {}
        for method, route, status, seconds in _taken(self._requested):
            requests[method, route, status] += 1
            if route not in times:
                times[route] = self.latency.labels(route)
            times[route].observe(seconds)
        for (method, route, status), number in requests.items():
            self.requests.labels(method, route, str(status)).inc(number)

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self.registry, multiprocess_mode="livemin")

    def text(self) -> bytes:
        """All metrics as Prometheus reads them, of every process that counts with this one."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        self.count()
        self._forget_dead()
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # has no types
        return generate_latest(together)

    def _forget_dead(self) -> None:
        """Leave out the gauges of processes that ended: they would show what was, for ever."""
        for file in Path(os.environ[MULTIPROCESS]).glob("gauge_live*_*.db"):
            if not _lives(int(file.stem.rpartition("_")[2])):
                file.unlink(missing_ok=True)


class _Registry(CollectorRegistry):
    """Has everything counted before it tells.

    Args:
        count: Counts what was noted.
    """

    def __init__(self, count: Callable[[], None]) -> None:
        super().__init__()
        self._count = count

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        self._count()
        yield from super().collect()


def _taken(notes: deque[_Note]) -> Iterator[_Note]:
    """Each note once, however many take them at the same time."""
    while True:
        try:
            yield notes.popleft()
        except IndexError:
            return


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
