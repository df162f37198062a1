"""The event log on Redis Streams keeps the promises of its port, shares out and survives."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from features.clock import FixedClock
from features.errors import MissingExtra, Overloaded, SettingsError, StoreUnavailable
from features.stores import redis_log
from features.stores.opening import open_log
from features.stores.ports import EventLog
from tests.services import free_port, redis_server
from tests.unit.features.stores.log_suite import AT, EventLogSuite, TrimmingSuite, body_of

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
CLOCK = FixedClock(datetime.fromtimestamp(AT, UTC))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server(*DURABLE) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def another(url: str, client: redis.Redis) -> Iterator[Callable[[], EventLog]]:
    """Opens the log once more, as another process does."""
    assert client.dbsize() == 0
    opened: list[EventLog] = []

    def opening() -> EventLog:
        opened.append(open_log(url, CLOCK))
        return opened[-1]

    yield opening
    for log in opened:
        log.close()


@pytest.fixture
def log(another: Callable[[], EventLog]) -> EventLog:
    return another()


def all_of(log: EventLog) -> list[bytes]:
    return [entry.body for entry in log.take("reader", 1_000_000)]


class TestRedisLog(EventLogSuite, TrimmingSuite):
    pass


def test_several_processes_get_a_part_each_and_take_over_when_one_leaves(
    another: Callable[[], EventLog],
) -> None:
    one, two = another(), another()
    everything = {body_of(number, number) for number in range(100)}
    one.append(sorted(everything))
    assert set(all_of(one)) == everything
    assert all_of(two) == []  # until the first has given back what is too much
    first = set(all_of(one))
    second = set(all_of(two))
    assert first | second == everything
    assert not first & second
    assert min(len(first), len(second)) > 20
    one.commit("reader", one.take("reader", 1_000)[-1].position)
    assert two.depth("reader") == len(second)
    two.close()
    assert set(all_of(one)) == second


def test_others_take_over_from_a_process_that_died(
    another: Callable[[], EventLog], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_log, "LEASE_SECONDS", 0.2)
    dead, alive = another(), another()
    everything = {body_of(number, number) for number in range(100)}
    dead.append(sorted(everything))
    dead.take("reader", 1_000)
    found: set[bytes] = set()
    while found != everything:
        found = set(all_of(alive))
    # The one that was only slow has lost its streams, and what it commits changes nothing.
    dead.commit("reader", 0)
    assert alive.depth("reader") == 100
    assert client.exists("homing:log:members:reader")


def test_the_lag_of_each_reader_is_seen_by_the_tools_of_redis(
    log: EventLog, client: redis.Redis
) -> None:
    log.append([body_of(1, number) for number in range(5)])
    log.commit("reader", log.take("reader", 2)[-1].position)
    groups = [group for stream in redis_log.STREAMS for group in client.xinfo_groups(stream)]
    assert {group["name"] for group in groups} == {b"reader"}
    assert sum(int(group["lag"]) for group in groups) == 3


def test_at_its_stated_depth_the_log_keeps_nothing_more(url: str, client: redis.Redis) -> None:
    assert client.dbsize() == 0
    with closing(open_log(url, CLOCK, max_depth=5)) as log:
        log.append([body_of(number, number) for number in range(3)])
        with pytest.raises(Overloaded, match=r"3 events wait .* and 5 may"):
            log.append([body_of(number, number) for number in range(3)])
        assert log.depth("reader") == 3
        log.commit("reader", log.take("reader", 3)[-1].position)
        assert log.trim() == 3
        log.append([body_of(number, number) for number in range(5)])


def test_much_is_trimmed_in_pieces(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_log, "TRIM_CHUNK", 2)
    log.append([b"%d" % number for number in range(7)])
    log.commit("reader", log.take("reader", 6)[-1].position)
    assert log.trim() == 6
    assert all_of(log) == [b"6"]


@pytest.mark.parametrize(
    ("setting", "value", "cure"),
    [
        ("appendonly", "no", "appendonly yes"),
        ("appendfsync", "everysec", "appendfsync always"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy noeviction"),
    ],
)
def test_a_server_that_may_forget_is_given_nothing(
    url: str, setting: str, value: str, cure: str, client: redis.Redis
) -> None:
    before = client.config_get(setting)[setting]
    client.config_set(setting, value)
    try:
        with closing(open_log(url, CLOCK)) as log:
            with pytest.raises(StoreUnavailable, match=f"may lose events .*: {cure}$"):
                log.append([b"1"])
            with pytest.raises(StoreUnavailable, match="may lose events"):
                log.bury([b"1"], "reason", "tests")
            assert log.depth("reader") == 0
    finally:
        client.config_set(setting, str(before))


def test_a_server_that_is_too_old_says_so(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_log, "LEAST_VERSION", 99)
    with pytest.raises(StoreUnavailable, match=r"from 7\.0"):
        log.append([b"1"])


def test_what_was_acknowledged_survives_the_death_of_the_server(tmp_path: Path) -> None:
    port = free_port()
    acknowledged: set[bytes] = set()
    stop = threading.Event()

    def send(sender: int, log: EventLog) -> None:
        number = 0
        while not stop.is_set():
            batch = [body_of(sender, 1_000_000 * sender + number + more) for more in range(3)]
            with suppress(StoreUnavailable):
                log.append(batch)
                acknowledged.update(batch)
            number += 3

    options = (*DURABLE, "--dir", str(tmp_path))
    with closing(open_log(f"redis://127.0.0.1:{port}", CLOCK)) as log:
        senders = [threading.Thread(target=send, args=(sender, log)) for sender in range(4)]
        for sender in senders:
            sender.start()
        for _ in range(3):
            with redis_server(*options, port=port):  # ends by SIGKILL
                before = len(acknowledged)
                while len(acknowledged) < before + 60:
                    stop.wait(0.01)
        stop.set()
        for sender in senders:
            sender.join()
        with redis_server(*options, port=port):
            kept = all_of(log)
    assert acknowledged <= set(kept)


def test_a_url_that_cannot_be_used_names_the_setting_of_the_log() -> None:
    with pytest.raises(SettingsError, match="HOMING_LOG_URL is not a Redis URL") as caught:
        open_log("redis://:hunter2@")
    assert "hunter2" not in str(caught.value)


def test_a_missing_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "features.stores.redis", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'homing\[redis\]'"):
        open_log("redis://host")
