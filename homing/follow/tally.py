"""What was taken from a feed, for the report at the end and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from features.clock import Clock

_MEANING: Final = {
    "messages": "Messages that were taken. None for long: the feed is silent, or not connected.",
    "events": "Events that are in the event log.",
    "left_out": "Messages of kinds that are not ours.",
    "letters": "Dead letters that were buried. Any: see `homing replay`.",
    "lost": "Connections that were lost. Growing fast: the log of `homing follow` says why.",
}
_WAITING: Final = "1 while what was taken can't be kept. For long: mend the event log."
_SILENT: Final = "Seconds since the last message, or since the beginning. Long: as for messages."


class FollowReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken from a feed.

    Attributes:
        name: The feed's.
        messages: Messages that were taken.
        events: Events that were made of them, repetitions among them.
        left_out: Messages of kinds that are not ours.
        letters: Dead letters that were buried.
        lost: Connections that were lost.
    """

    name: str
    messages: int
    events: int
    left_out: int
    letters: int
    lost: int

    def lines(self) -> Iterator[str]:
        """The report as a person reads it."""
        yield (
            f"{self.messages:,} messages: {self.events:,} events, {self.left_out:,} left out, "
            f"{self.letters:,} dead letters; connection lost {self.lost:,} times"
        )


class Tally:
    """Counts; written by the one thread that follows the feed, read by any.

    Args:
        name: The feed's.
        clock: Tells how long it is silent.

    Attributes:
        waiting: Whether what was taken can't be kept just now.
        registry: Tells Prometheus.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._counts = dict.fromkeys(_MEANING, 0)
        self._heard = clock.now()
        self.waiting = False
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def add(self, **counts: int) -> None:
        """Add to counts, by the names of `FollowReport`."""
        for name, number in counts.items():
            self._counts[name] += number
        if counts.get("messages"):
            self._heard = self._clock.now()

    def lose(self) -> None:
        """Count a connection that was lost."""
        self.add(lost=1)

    def report(self) -> FollowReport:
        """What was counted."""
        return FollowReport(name=self._name, **self._counts)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        for name, number in self._counts.items():
            counter = CounterMetricFamily(f"homing_follow_{name}", _MEANING[name], labels=["feed"])
            counter.add_metric([self._name], number)
            yield counter
        silent = (self._clock.now() - self._heard).total_seconds()
        for name, meaning, value in (
            ("waiting", _WAITING, float(self.waiting)),
            ("silent_seconds", _SILENT, silent),
        ):
            gauge = GaugeMetricFamily(f"homing_follow_{name}", meaning, labels=["feed"])
            gauge.add_metric([self._name], value)
            yield gauge
