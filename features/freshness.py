"""How fresh profiles and the lake are, as the ingest loop sees it, for Prometheus.

Of each event it counts how long it took until a reader of the log had it for good: from when it
happened, and from when it was accepted into the log. What waits is looked at when somebody asks,
so that it grows also while nothing moves. The loop runs in a process of its own, often on another
machine than any scorer, and so it answers for itself: `listening` opens its `/metrics`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import numpy as np
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from features.clock import Clock
from features.errors import SettingsError, StoreUnavailable
from features.event import Event
from features.stores.ports import Entry, EventLog

OCCURRED: Final = "occurred"
ACCEPTED: Final = "accepted"
"""Since when the time of an event is counted."""

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
BOUNDS: Final = (
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    *(_MINUTE, 5 * _MINUTE, 30 * _MINUTE, 3 * _HOUR, _DAY, 7 * _DAY),
)
"""Seconds that are told apart: of a loop that keeps up, of one behind, of senders that are late."""
_LABELS: Final = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]

_TIMES: Final = (
    "Seconds until events were in profiles or the lake. Long since `accepted`: the loop is behind,"
    " and its log says why. Long only since `occurred`: senders tell late."
)
_WAITING: Final = (
    "Entries of the log that a reader has not got. Growing: more loops, or mend what is down."
)
_OLDEST: Final = "Age of the oldest of them that the loop has tried, seconds. Growing: as above."


class _Times:
    """How long events took, by `BOUNDS`."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: Sequence[float]) -> None:
        """Count events; clocks of senders may be ahead, and nothing takes less than no time."""
        taken = np.maximum(np.asarray(seconds, np.float64), 0.0)
        places = np.searchsorted(BOUNDS, taken)
        for place, number in enumerate(np.bincount(places, minlength=len(self.counts)).tolist()):
            self.counts[place] += number
        self.total += float(taken.sum())

    def buckets(self) -> list[tuple[str, float]]:
        """Bound → how many took no longer, as Prometheus has it."""
        return list(zip(_LABELS, np.cumsum(self.counts).tolist(), strict=True))


class Freshness:
    """Counts what readers of a log have got and what waits for them; safe from many threads.

    Args:
        log: What is read.
        clock: Tells how old things are.
        readers: Names of those who read it.
    """

    def __init__(self, log: EventLog, clock: Clock, readers: Sequence[str]) -> None:
        self.registry = CollectorRegistry()
        self._log = log
        self._clock = clock
        self._times = {
            (name, since): _Times() for name in readers for since in (OCCURRED, ACCEPTED)
        }
        self._oldest: dict[str, float | None] = dict.fromkeys(readers)
        self._lock = threading.Lock()
        self.registry.register(self)

    def took(self, reader: str, entries: Sequence[Entry]) -> None:
        """Note what a reader is at work on; nothing where there was nothing to take."""
        with self._lock:
            self._oldest[reader] = entries[0].accepted if entries else None

    def passed(self, reader: str, entries: Iterable[Entry], events: Iterable[Event]) -> None:
        """Count what a reader has for good.

        Args:
            reader: Its name.
            entries: That it took.
            events: What could be read of them.
        """
        now = self._clock.now().timestamp()
        accepted = [now - entry.accepted for entry in entries if entry.accepted is not None]
        occurred = [now - event.occurred_at.timestamp() for event in events]
        with self._lock:
            self._times[reader, ACCEPTED].add(accepted)
            self._times[reader, OCCURRED].add(occurred)
            self._oldest[reader] = None

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        times = HistogramMetricFamily(
            "homing_freshness_seconds", _TIMES, labels=["reader", "since"]
        )
        waiting = GaugeMetricFamily("homing_log_waiting", _WAITING, labels=["reader"])
        oldest = GaugeMetricFamily("homing_log_oldest_seconds", _OLDEST, labels=["reader"])
        now = self._clock.now().timestamp()
        with self._lock:
            for labels, of_one in self._times.items():
                times.add_metric(labels, of_one.buckets(), of_one.total)
            for reader, accepted in self._oldest.items():
                age = 0.0 if accepted is None else max(now - accepted, 0.0)
                oldest.add_metric([reader], age)
        for reader in self._oldest:
            waiting.add_metric([reader], self._depth(reader))
        yield from (times, waiting, oldest)

    def _depth(self, reader: str) -> float:
        try:
            return self._log.depth(reader)
        except StoreUnavailable:
            return float("nan")


class Told(Protocol):
    """What has something to tell Prometheus."""

    registry: CollectorRegistry


@contextmanager
def listening(
    told: Told, host: str, port: int, setting: str = "HOMING_INGEST_PORT"
) -> Iterator[int]:
    """Answer `GET /metrics` until the block ends; yields the port.

    Args:
        told: What is told.
        host: Address to listen on.
        port: Port to listen on; 0 for none.
        setting: Where the port comes from, for the message.

    Raises:
        SettingsError: Somebody else listens there, or nobody may.
    """
    if not port:
        yield 0
        return
    try:
        server, thread = start_http_server(port, host, told.registry)
    except OSError as error:
        message = (
            f"{setting} {port} can't be listened on at {host}: {error.strerror}; choose another, "
            "or 0 for no metrics"
        )
        raise SettingsError(message) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
