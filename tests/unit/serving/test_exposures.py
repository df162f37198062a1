from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from features.clock import FixedClock
from features.errors import StoreUnavailable
from features.event import Event, EventType
from features.stores.codec import decode_event
from features.stores.memory import MemoryLog
from features.stores.no_log import NoLog
from features.stores.ports import EventLog
from serving import exposures as module
from serving.exposures import GROUP, Exposures
from serving.metrics import Metrics
from serving.slate import Choice, Pick, Rung
from tests.unit.serving.kit import ANNA

NOW = datetime(2026, 3, 1, tzinfo=UTC)
READER = "test"


class Log(MemoryLog):
    """Keeps the sizes of what was appended, and may be told to fail first."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(FixedClock(NOW))
        self.sizes: list[int] = []
        self.failures = list(failures)

    def append(self, bodies: Sequence[bytes]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sizes.append(len(bodies))
        super().append(bodies)


class HangingLog(MemoryLog):
    """Never comes back, until it is let go."""

    def __init__(self) -> None:
        super().__init__(FixedClock(NOW))
        self.asked = threading.Event()
        self.go = threading.Event()

    def append(self, bodies: Sequence[bytes]) -> None:
        self.asked.set()
        self.go.wait(10)
        super().append(bodies)


def slate(name: str, *items: str) -> Choice:
    picks = tuple(Pick(item) for item in items or ("bread", "jam"))
    return Choice(name, Rung.MODEL, None, "recommender/1", picks, int(NOW.timestamp()))


def record(exposures: Exposures, *names: str) -> None:
    for name in names:
        exposures.record(ANNA, "mail-1", "hero", slate(name), 4)


def events(log: EventLog) -> list[Event]:
    return [decode_event(entry.body) for entry in log.take(READER, 1_000)]


def told(metrics: Metrics) -> dict[str, float]:
    """What was recorded, and what was lost by reason."""
    value = metrics.registry.get_sample_value
    lost = {
        reason: value("homing_exposures_lost_total", {"reason": reason})
        for reason in ("full", "no log", "ended", "fault")
    }
    recorded = value("homing_exposures_total") or 0
    return {"recorded": recorded, **{reason: n for reason, n in lost.items() if n}}


def test_what_an_answer_showed_becomes_one_event_of_the_slates_id() -> None:
    log, metrics = Log(), Metrics()
    exposures = Exposures(log, metrics)
    exposures.start()
    exposures.record(ANNA, "mail-1", "hero", slate("sl_1", "bread", "jam", "tea"), 2)
    exposures.close()
    assert events(log) == [
        Event(
            id="sl_1",
            type=EventType.SLATE_SERVED,
            customer=ANNA,
            occurred_at=NOW,
            block="hero",
            send="mail-1",
            slate="sl_1",
            source="homing",
            items=("bread", "jam"),
            served_by="model",
            model="recommender/1",
        )
    ]
    assert told(metrics) == {"recorded": 1}


def test_the_same_slate_again_is_recorded_once() -> None:
    log = Log()
    exposures = Exposures(log, Metrics())
    exposures.start()
    record(exposures, "sl_1", "sl_2", "sl_1")
    exposures.close()
    assert [event.id for event in events(log)] == ["sl_1", "sl_2"]


def test_whoever_records_a_slate_records_the_same_event() -> None:
    log = Log()
    for _ in range(2):
        another = Exposures(log, Metrics())
        another.start()
        record(another, "sl_1")
        another.close()
    first, again = events(log)
    assert first == again


def test_only_the_last_slates_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 4)
    log = Log()
    exposures = Exposures(log, Metrics())
    record(exposures, *"abcde", "d", "a")
    exposures.start()
    exposures.close()
    assert [event.id for event in events(log)] == [*"abcde", "a"]


def test_an_answer_that_shows_nothing_is_no_exposure() -> None:
    log, metrics = Log(), Metrics()
    exposures = Exposures(log, metrics)
    exposures.record(ANNA, "mail-1", "hero", Choice("sl_1", Rung.STATIC, None, None, ()), 4)
    exposures.start()
    exposures.close()
    assert (events(log), told(metrics)) == ([], {"recorded": 0})


def test_a_group_that_is_whole_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 60.0)
    log = Log()
    exposures = Exposures(log, Metrics())
    exposures.start()
    record(exposures, *(f"sl_{number}" for number in range(GROUP)))
    until = time.monotonic() + 5
    while not log.sizes and time.monotonic() < until:
        time.sleep(0.005)
    assert log.sizes == [GROUP]
    record(exposures, "one more")
    exposures.close()
    assert log.sizes == [GROUP, 1]


def test_what_waited_for_a_log_that_was_down_is_appended_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.01)
    log, metrics = Log(StoreUnavailable("down"), StoreUnavailable("down")), Metrics()
    exposures = Exposures(log, metrics)
    record(exposures, "sl_1", "sl_2")
    exposures.start()
    until = time.monotonic() + 5
    while not log.sizes and time.monotonic() < until:
        time.sleep(0.005)
    exposures.close()
    assert [event.id for event in events(log)] == ["sl_1", "sl_2"]
    assert told(metrics) == {"recorded": 2}


def test_more_than_can_wait_is_lost_and_counted_and_may_be_recorded_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    log, metrics = Log(), Metrics()
    exposures = Exposures(log, metrics)
    record(exposures, "sl_1", "sl_2", "sl_3")
    assert told(metrics) == {"recorded": 0, "full": 1}
    exposures.start()
    until = time.monotonic() + 5
    while not log.sizes and time.monotonic() < until:
        time.sleep(0.005)
    record(exposures, "sl_3")
    exposures.close()
    assert [event.id for event in events(log)] == ["sl_1", "sl_2", "sl_3"]


def test_a_process_that_takes_no_events_in_records_none() -> None:
    metrics = Metrics()
    exposures = Exposures(NoLog(), metrics)
    exposures.start()
    record(exposures, "sl_1")
    exposures.close()
    assert told(metrics) == {"recorded": 0, "no log": 1}


def test_an_end_waits_for_a_log_that_hangs_no_longer_than_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(module, "SECONDS", 0.01)
    log, metrics = HangingLog(), Metrics()
    exposures = Exposures(log, metrics)
    exposures.start()
    record(exposures, "sl_1")
    assert log.asked.wait(5)
    began = time.monotonic()
    exposures.close()
    assert time.monotonic() - began < 2
    record(exposures, "sl_2")
    assert told(metrics) == {"recorded": 0, "ended": 2}
    log.go.set()
    exposures._thread.join(5)


def test_an_end_tries_a_log_that_is_down_once_more_and_counts_what_is_lost() -> None:
    log, metrics = Log(*[StoreUnavailable("down")] * 9), Metrics()
    exposures = Exposures(log, metrics)
    exposures.start()
    record(exposures, "sl_1")
    exposures.close()
    exposures.close()
    assert told(metrics) == {"recorded": 0, "ended": 1}


def test_a_fault_in_one_group_does_not_stop_those_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GROUP", 1)
    log, metrics = Log(ValueError("nobody foresaw this")), Metrics()
    exposures = Exposures(log, metrics)
    record(exposures, "sl_1", "sl_2")
    exposures.start()
    exposures.close()
    assert [event.id for event in events(log)] == ["sl_2"]
    assert told(metrics) == {"recorded": 1, "fault": 1}
    assert metrics.registry.get_sample_value("homing_internal_errors_total") == 1
