"""How old events are when profiles and the lake have them, as Prometheus reads it."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from features.clock import FixedClock
from features.errors import LakeUnavailable, SettingsError
from features.freshness import Freshness, listening
from features.ingest import LAKE, PROFILES, Ingest
from features.stores.codec import encode_event
from features.stores.opening import open_log, open_stores
from features.stores.ports import EventLog
from tests.unit.features.making import event
from tests.unit.features.test_ingest import ListLake

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def log(clock: FixedClock) -> Iterator[EventLog]:
    with closing(open_log("memory://", clock)) as opened:
        yield opened


@pytest.fixture
def lake() -> ListLake:
    return ListLake()


@pytest.fixture
def ingest(log: EventLog, lake: ListLake, clock: FixedClock) -> Ingest:
    return Ingest(log, open_stores("memory://").profiles, lake, clock)


def told(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"homing_{name}", labels)


def times(ingest: Ingest, reader: str, since: str) -> tuple[float | None, float | None]:
    """How many events a reader got, and their seconds together."""
    registry = ingest.freshness.registry
    return (
        told(registry, "freshness_seconds_count", reader=reader, since=since),
        told(registry, "freshness_seconds_sum", reader=reader, since=since),
    )


def test_time_counts_from_when_it_happened_and_from_acceptance(
    ingest: Ingest, log: EventLog, clock: FixedClock
) -> None:
    log.append([encode_event(event("e-1", NOW - timedelta(hours=1)))])
    clock.advance(timedelta(seconds=2))
    ingest.fold_once()
    clock.advance(timedelta(seconds=5))
    ingest.merge_once()
    assert times(ingest, PROFILES, "accepted") == (1, 2)
    assert times(ingest, PROFILES, "occurred") == (1, 3_602)
    assert times(ingest, LAKE, "accepted") == (1, 7)
    assert times(ingest, LAKE, "occurred") == (1, 3_607)


def test_a_sender_whose_clock_is_ahead_takes_no_time(ingest: Ingest, log: EventLog) -> None:
    log.append([encode_event(event("e-1", NOW + timedelta(seconds=90)))])
    ingest.fold_once()
    assert times(ingest, PROFILES, "occurred") == (1, 0)


def test_what_waits_grows_older_while_the_lake_is_down(
    ingest: Ingest, log: EventLog, lake: ListLake, clock: FixedClock
) -> None:
    log.append([encode_event(event("e-1", NOW)), encode_event(event("e-2", NOW))])
    lake.down = True
    with pytest.raises(LakeUnavailable):
        ingest.merge_once()
    clock.advance(timedelta(minutes=2))
    registry = ingest.freshness.registry
    assert told(registry, "log_waiting", reader=LAKE) == 2
    assert told(registry, "log_oldest_seconds", reader=LAKE) == 120
    lake.down = False
    ingest.merge_once()
    assert told(registry, "log_waiting", reader=LAKE) == 0
    assert told(registry, "log_oldest_seconds", reader=LAKE) == 0
    assert told(registry, "log_waiting", reader=PROFILES) == 2


def test_a_log_that_cannot_be_looked_at_has_no_depth(ingest: Ingest, log: EventLog) -> None:
    log.close()
    depth = told(ingest.freshness.registry, "log_waiting", reader=PROFILES)
    assert depth is not None
    assert math.isnan(depth)


@given(st.lists(st.sampled_from([0.01, 0.3, 7.0, 45.0, 1e5, 1e7]), max_size=30))
def test_each_bucket_holds_what_took_no_longer(seconds: list[float]) -> None:
    clock = FixedClock(NOW)
    freshness = Freshness(open_log("memory://", clock), clock, [LAKE])
    happened = [event("e", NOW - timedelta(seconds=taken)) for taken in seconds]
    freshness.passed(LAKE, [], happened)
    for bound in (0.05, 10.0, 604_800.0):
        labels = {"reader": LAKE, "since": "occurred", "le": f"{bound:g}"}
        expected = sum(taken <= bound for taken in seconds)
        assert told(freshness.registry, "freshness_seconds_bucket", **labels) == expected


def test_the_loop_answers_for_itself(ingest: Ingest) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with (
        listening(ingest.freshness, "127.0.0.1", port) as at,
        urlopen(f"http://127.0.0.1:{at}/metrics") as answer,
    ):
        assert b'homing_log_waiting{reader="lake"} 0.0' in answer.read()


def test_no_port_is_no_metrics(ingest: Ingest) -> None:
    with listening(ingest.freshness, "127.0.0.1", 0) as at:
        assert at == 0


def test_a_port_of_somebody_else_is_named_with_the_cure(ingest: Ingest) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"HOMING_INGEST_PORT {port} .* choose another"),
            listening(ingest.freshness, "127.0.0.1", port),
        ):
            pass
