"""The event log on RabbitMQ keeps the promises of its port, shares out and survives."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from features.clock import FixedClock
from features.errors import MissingExtra, Overloaded, SettingsError, StoreUnavailable
from features.stores import pressure, rabbitmq_log
from features.stores.held import partition_of
from features.stores.opening import open_log
from features.stores.ports import EventLog
from features.stores.rabbitmq import Connection, Queue, RabbitServer
from features.stores.rabbitmq_log import RabbitLog
from tests.services import free_port, rabbitmq_server
from tests.unit.features.stores.log_suite import (
    AT,
    SOON,
    EventLogSuite,
    bodies,
    body_of,
    depth,
    taken,
)

CLOCK = FixedClock(datetime.fromtimestamp(AT, UTC))
READERS = ("one", "two")
PARTITIONS = 4


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq"), free_port()) as url:
        yield url


@pytest.fixture
def another(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], EventLog]]:
    """Opens the log once more, as another process does."""
    monkeypatch.setattr(rabbitmq_log, "PARTITIONS", PARTITIONS)  # making a queue takes its time
    monkeypatch.setattr(rabbitmq_log, "SHARE_SECONDS", 0.05)
    monkeypatch.setattr(rabbitmq_log, "NEW_SECONDS", 0.0)
    with closing(RabbitServer(url)) as server:
        server.run(empty)
    opened: list[EventLog] = []

    def opening() -> EventLog:
        opened.append(RabbitLog(RabbitServer(url), CLOCK, readers=READERS))
        return opened[-1]

    yield opening
    for log in opened:
        log.close()


async def empty(connection: Connection) -> None:
    """Drop all that an earlier test made."""
    queues = [f"homing.{reader}.{number}" for reader in READERS for number in range(PARTITIONS)]
    others = (*(f"homing.{reader}" for reader in READERS), "homing.dead")
    async with await connection.channel() as channel:
        for name in (*queues, *others):
            await channel.queue_delete(name)
        await channel.exchange_delete(rabbitmq_log.MADE)


@pytest.fixture
def log(another: Callable[[], EventLog]) -> EventLog:
    return another()


class TestRabbitLog(EventLogSuite):
    pass


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
    return True


def test_what_is_committed_leaves_by_itself(log: EventLog) -> None:
    log.append([b"1", b"2"])
    log.commit("one", taken(log, "one", 1)[-1].position)
    assert log.trim() == 0
    assert depth(log, "one", 1) == 1
    assert depth(log, "two", 2) == 2


def test_a_reader_that_nobody_knew_gets_what_comes_after(log: EventLog) -> None:
    log.append([b"1"])
    log.commit("three", 0)
    log.append([b"2"])
    assert bodies(log, "three", 1) == [b"2"]


def test_several_processes_get_a_part_each_and_take_over_when_one_leaves(
    another: Callable[[], EventLog],
) -> None:
    one, two = another(), another()
    everything = {body_of(number, number) for number in range(100)}
    one.append(sorted(everything))
    assert set(bodies(one, "one", 100)) == everything
    parts: list[set[bytes]] = []

    def shared() -> bool:
        parts[:] = [{entry.body for entry in log.take("one", 1_000)} for log in (one, two)]
        first, second = parts
        return first | second == everything and not first & second and bool(second)

    assert within(SOON, shared)
    first, second = parts
    assert min(len(first), len(second)) > 20
    one.commit("one", one.take("one", 1_000)[-1].position)
    two.close()
    assert set(bodies(one, "one", len(second))) == second


def test_two_that_came_at_the_same_moment_leave_no_queue_to_nobody(
    another: Callable[[], EventLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_log, "MOVES", 1.0)
    one, two = another(), another()
    one.append([body_of(customer, number) for customer in range(20) for number in range(5)])
    for log in (one, two):
        assert isinstance(log, RabbitLog)
        log._server.run(partial(_consume_the_first, log))
    of_one, of_two = set[bytes](), set[bytes]()

    def all_taken() -> bool:
        of_one.update(entry.body for entry in one.take("one", 1_000))
        of_two.update(entry.body for entry in two.take("one", 1_000))
        return len(of_one | of_two) == 100

    assert within(SOON, all_taken)
    assert not of_one & of_two  # only who gets nothing of a queue leaves it


async def _consume_the_first(log: RabbitLog, connection: Connection) -> None:
    reading = log._reading.setdefault("one", rabbitmq_log._Reading())
    channel = await rabbitmq_log._join("one", reading, connection)
    queues = await log._declared(connection, "one")
    for partition in range(PARTITIONS // 2):
        await rabbitmq_log._consume(reading, channel, partition, queues[partition].name)


def test_a_consumer_that_the_server_forgot_is_told_to_it_again(log: EventLog) -> None:
    log.append([b"1"])
    assert bodies(log, "one", 1) == [b"1"]
    assert isinstance(log, RabbitLog)
    reading = log._reading["one"]

    async def forget(_: Connection) -> None:
        assert reading.channel is not None
        underlay = await reading.channel.get_underlay_channel()
        for _queue, tag in reading.consumed.values():
            await underlay.basic_cancel(tag)

    log._server.run(forget)
    log.append([b"2"])
    assert within(SOON, lambda: sorted(bodies(log, "one", 2)) == [b"1", b"2"])


def test_what_arrives_while_its_queue_is_given_back_stays_in_order(log: EventLog) -> None:
    sent = [body_of(1, number) for number in range(4)]
    log.append(sent[:2])
    assert bodies(log, "one", 2) == sent[:2]
    assert isinstance(log, RabbitLog)
    publish, reading, (entry, *_) = log._publish, log._reading["one"], log.take("one", 1)
    partition = partition_of(entry.body, PARTITIONS)

    async def give_back(connection: Connection) -> None:
        queue, tag = reading.consumed[partition]

        class Slow:
            async def cancel(self, tag: str) -> None:
                await publish(sent[2:], connection)
                await asyncio.sleep(0.1)
                await queue.cancel(tag)

        reading.consumed[partition] = (cast("Queue", Slow()), tag)
        assert reading.channel is not None
        await rabbitmq_log._give_back(reading, reading.channel, partition)

    log._server.run(give_back)
    assert within(SOON, lambda: bodies(log, "one", 4) == sent)


def test_what_arrives_after_its_queue_was_given_back_is_returned(log: EventLog) -> None:
    """A delivery may be under way while a process stops consuming."""
    log.append([b"1"])
    assert taken(log, "one", 1)
    assert isinstance(log, RabbitLog)
    reading = log._reading["one"]
    channel, consumed = reading.channel, dict(reading.consumed)
    assert channel is not None
    reading.consumed.clear()
    log.append([b"2"])
    assert within(SOON, lambda: log.depth("two") == 2)

    async def restart(_: Connection) -> None:
        reading.consumed.update(consumed)

    log._server.run(restart)
    assert sorted(bodies(log, "one", 2)) == [b"1", b"2"]


def test_at_its_stated_depth_the_log_keeps_nothing_more(
    url: str, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
    log.append([b"%d" % number for number in range(3)])
    assert depth(log, "one", 3) == 3
    with closing(RabbitLog(RabbitServer(url), CLOCK, max_depth=5, readers=READERS)) as small:
        with pytest.raises(Overloaded, match=r"3 events wait .* and 5 may"):
            small.append([b"%d" % number for number in range(3)])
        small.append([b"3", b"4"])
    assert depth(log, "one", 5) == 5


def test_nothing_is_confirmed_in_queues_that_are_new(
    another: Callable[[], EventLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is killed may have forgotten queues that it has just made."""
    monkeypatch.setattr(rabbitmq_log, "NEW_SECONDS", 0.5)
    reader, first, second = another(), another(), another()
    assert reader.take("one", 1) == []  # makes its queues, as a loop does that is sooner
    for log, waits in ((first, True), (first, False), (second, False)):
        began = time.monotonic()
        log.append([b"1"])
        assert (time.monotonic() - began >= 0.5) is waits


def test_of_many_first_appends_one_prepares(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(log, RabbitLog)
    prepare, times = log._prepare, list[int]()

    async def counted(connection: Connection) -> None:
        times.append(1)
        await prepare(connection)

    monkeypatch.setattr(log, "_prepare", counted)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log.append, [[b"%d" % number] for number in range(8)]))
    assert len(times) == 1
    assert log.depth("one") == 8


def test_what_was_acknowledged_survives_the_death_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_log, "PARTITIONS", PARTITIONS)
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
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
            stop.wait(0.002)

    url = f"amqp://guest:guest@127.0.0.1:{port}/"
    with closing(RabbitLog(RabbitServer(url), CLOCK, readers=READERS)) as log:
        senders = [threading.Thread(target=send, args=(sender, log)) for sender in range(3)]
        for sender in senders:
            sender.start()
        with rabbitmq_server(tmp_path, port):  # ends by SIGKILL, while they send
            assert within(SOON, partial(_more_than, acknowledged, 100))
        stop.set()
        for sender in senders:
            sender.join()
        with rabbitmq_server(tmp_path, port):
            found: set[bytes] = set()

            def kept() -> bool:
                with suppress(StoreUnavailable):  # a queue's leader is being elected
                    found.update(entry.body for entry in log.take("one", 1_000_000))
                return acknowledged <= found

            assert within(SOON, kept)


def _more_than(found: set[bytes], count: int) -> bool:
    time.sleep(0.01)
    return len(found) > count


def test_a_broker_that_does_not_answer_is_declared_with_what_to_do() -> None:
    with (
        closing(open_log("amqp://guest:hunter2@127.0.0.1:1/shop")) as log,
        pytest.raises(StoreUnavailable, match=r"amqp://127.0.0.1:1/shop: .* check that") as caught,
    ):
        log.append([b"1"])
    assert "hunter2" not in str(caught.value)


def test_what_a_server_forgot_of_its_queues_is_made_again_before_anything_is_confirmed(
    url: str, log: EventLog
) -> None:
    server = RabbitServer(url)
    with closing(RabbitLog(server, CLOCK, readers=READERS)) as other:
        other.append([body_of(1, 1)])

        async def forget(connection: Connection) -> None:
            async with await connection.channel() as channel:
                for partition in range(PARTITIONS):
                    queue = await channel.get_queue(f"homing.two.{partition}")
                    await queue.unbind(rabbitmq_log.EXCHANGE, str(partition))
            await connection.close()

        server.run(forget)
        other.append([body_of(1, 2)])
    assert bodies(log, "two", 2) == [body_of(1, 1), body_of(1, 2)]


def test_a_connection_that_is_just_being_lost_is_declared_and_made_anew(url: str) -> None:
    async def lose(connection: Connection) -> None:
        transport = connection.transport
        assert transport is not None
        await transport.connection.close()
        await transport.connection.channel()

    async def use(connection: Connection) -> None:
        await connection.channel()

    with closing(RabbitServer(url)) as server:
        with pytest.raises(StoreUnavailable, match="closed"):
            server.run(lose)
        server.run(use)


@pytest.mark.parametrize("url", ["amqp://", "amqp://:hunter2@", "amqp://u:hunter2@h:port/"])
def test_a_url_that_cannot_be_used_is_a_setting_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="HOMING_LOG_URL is not a RabbitMQ URL") as caught:
        open_log(url)
    assert "hunter2" not in str(caught.value)


def test_whoever_waits_for_a_log_that_is_closed_is_told(url: str) -> None:
    server = RabbitServer(url)
    begun = threading.Event()

    async def forever(_: Connection) -> None:
        begun.set()
        await asyncio.sleep(60)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.run, forever)
        assert begun.wait(SOON)
        server.close()
        with pytest.raises(StoreUnavailable, match="was closed in this process meanwhile"):
            waiting.result()


def test_a_broken_library_is_not_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aio_pika.exceptions", None)
    monkeypatch.delitem(sys.modules, "features.stores.rabbitmq", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"aio_pika\.exceptions"):
        open_log("amqp://host")


def test_a_missing_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    monkeypatch.delitem(sys.modules, "features.stores.rabbitmq", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'homing\[rabbitmq\]'"):
        open_log("amqp://host")
