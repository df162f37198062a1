"""The event log on Kafka keeps the promises of its port, shares out and goes on after a kill.

The brokers are librdkafka's own mock cluster, which speaks Kafka's protocol over TCP.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import confluent_kafka
import pytest
import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # as the library has it

from features.clock import FixedClock
from features.errors import MissingExtra, Overloaded, SettingsError, StoreUnavailable
from features.stores import kafka, kafka_letters, kafka_log, kafka_sending, pressure
from features.stores.kafka import KafkaCluster
from features.stores.kafka_log import KafkaLog
from features.stores.opening import open_log
from features.stores.ports import EventLog
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
OPTIONS = "?session.timeout.ms=3000&heartbeat.interval.ms=100&fetch.wait.max.ms=20"


@pytest.fixture(scope="module")
def owner() -> confluent_kafka.Producer:
    """Three brokers that live as long as this client of them."""
    options = {"bootstrap.servers": "mock:9092", "test.mock.num.brokers": 3, "log_level": 0}
    return confluent_kafka.Producer(options)


@pytest.fixture(scope="module")
def url(owner: confluent_kafka.Producer) -> str:
    brokers = owner.list_topics(timeout=10).brokers.values()
    return "kafka://" + ",".join(f"{broker.host}:{broker.port}" for broker in brokers) + OPTIONS


@pytest.fixture
def another(
    owner: confluent_kafka.Producer, url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], EventLog]]:
    """Opens the log once more, as another process does."""
    for module, topic in ((kafka_log, "events"), (kafka_letters, "dead")):
        fresh = f"{topic}-{uuid.uuid4().hex}"
        owner.list_topics(fresh, timeout=10)  # the mock can't be asked to make one
        monkeypatch.setattr(module, "TOPIC", fresh)
    opened: list[EventLog] = []

    def opening() -> EventLog:
        opened.append(KafkaLog(KafkaCluster(url), CLOCK, readers=READERS))
        return opened[-1]

    yield opening
    for log in opened:
        log.close()


@pytest.fixture
def log(another: Callable[[], EventLog]) -> EventLog:
    return another()


class TestKafkaLog(EventLogSuite):
    pass


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
    return True


def test_several_processes_get_a_part_each_and_take_over_when_one_leaves(
    another: Callable[[], EventLog],
) -> None:
    one, two = another(), another()
    everything = {body_of(number, number) for number in range(100)}
    one.append(sorted(everything))
    parts: list[set[bytes]] = []

    def shared() -> bool:
        parts[:] = [{entry.body for entry in log.take("one", 1_000)} for log in (one, two)]
        first, second = parts
        return first | second == everything and not first & second and bool(first and second)

    assert within(SOON, shared)
    first, second = parts
    assert min(len(first), len(second)) > 20
    one.commit("one", one.take("one", 1_000)[-1].position)
    two.close()
    assert within(SOON, lambda: {entry.body for entry in one.take("one", 1_000)} == second)
    assert one.depth("one") == len(second)


READER = """
import sys, time
from features.stores import kafka_log
from features.stores.opening import open_log

kafka_log.TOPIC = sys.argv[2]
log = open_log(sys.argv[1])
while len(log.take("one", 1_000)) < 50:
    pass
print("holds all", flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_held_is_taken_by_another(url: str, log: EventLog) -> None:
    everything = {body_of(number, number) for number in range(50)}
    log.append(sorted(everything))
    command = [sys.executable, "-c", READER, url, kafka_log.TOPIC]
    top = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=top, stdout=subprocess.PIPE) as reader:  # noqa: S603 - ours
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"holds all\n"
        reader.kill()
    assert set(bodies(log, "one", 50)) == everything


def test_at_its_stated_depth_the_log_keeps_nothing_more(
    url: str, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
    log.append([b"%d" % number for number in range(3)])
    with closing(KafkaLog(KafkaCluster(url), CLOCK, max_depth=5, readers=READERS)) as small:
        with pytest.raises(Overloaded, match=r"3 events wait .* and 5 may"):
            small.append([b"%d" % number for number in range(3)])
        small.append([b"3", b"4"])
    assert depth(log, "one", 5) == 5
    assert log.trim() == 0


def test_a_consumer_with_enough_in_hand_still_asks(log: EventLog) -> None:
    assert isinstance(log, KafkaLog)
    log.append([b"1", b"2", b"3"])
    assert len(taken(log, "one", 1)) == 1
    held = log._reading["one"].held
    assert within(SOON, lambda: bool(log.take("one", 1)) and len(held) == 3)


class Refused:
    """A consumer that may not read the topic."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code, "may not")

    def consume(self, count: int, timeout: float) -> list[SimpleNamespace]:
        assert count
        assert timeout
        return [SimpleNamespace(error=lambda: self._error)]

    def close(self) -> None:
        pass


def test_a_reader_that_may_not_read_is_told(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(log, KafkaLog)
    log.commit("one", 0)
    assert not log._reading
    assert log.take("one", 1) == []  # opens the consumer
    log.commit("one", 0)
    monkeypatch.setattr(
        log._reading["one"], "consumer", Refused(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    )
    with pytest.raises(StoreUnavailable, match="may not"):
        log.take("one", 10)


def test_dead_letters_that_come_too_slowly_are_declared(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.bury([b"1"], "reason", "tests")
    monkeypatch.setattr(kafka_letters, "READ_SECONDS", -1.0)
    with pytest.raises(StoreUnavailable, match="dead letters come too slowly"):
        log.dead_letters()


def test_dead_letters_are_there_for_another_process(another: Callable[[], EventLog]) -> None:
    one, two = another(), another()
    one.bury([b"\xff"], "reason", "tests")
    (letter,) = two.dead_letters()
    two.bury([b"\xff"], "again", "tests")
    assert one.dead_letters() == [letter]
    two.remove_dead([letter.id])
    assert one.dead_letters() == []


def test_a_cluster_that_does_not_answer_is_declared_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka, "SECONDS", 0.5)
    with (
        closing(open_log("kafka://shop:hunter2@127.0.0.1:1")) as log,
        pytest.raises(StoreUnavailable, match=r"^kafka://127\.0\.0\.1:1: .*: check that") as caught,
    ):
        log.append([b"1"])
    assert "hunter2" not in str(caught.value)


def test_what_is_not_confirmed_in_time_is_sent_again_by_the_caller(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([b"1"])
    monkeypatch.setattr(kafka_sending, "WAIT_SECONDS", 0.0)
    with pytest.raises(StoreUnavailable, match=r"no confirmation within 0 s: .* send the same"):
        log.append([b"2"])


def test_more_than_the_client_has_memory_for_is_declared(
    url: str, another: Callable[[], EventLog]
) -> None:
    another()
    small = f"{url}&queue.buffering.max.messages=2"
    with (
        closing(KafkaLog(KafkaCluster(small), CLOCK, readers=READERS)) as log,
        pytest.raises(StoreUnavailable, match="more is waiting to be sent"),
    ):
        log.append([b"%d" % number for number in range(50)])


class Maker:
    """Looks after topics as the brokers of a cluster do that has none of ours."""

    def __init__(self, answer: Exception | None, brokers: int) -> None:
        self.made: list[NewTopic] = []
        self._answer = answer
        self._brokers = brokers

    def list_topics(self, topic: str | None = None, timeout: float = 0) -> SimpleNamespace:
        assert timeout
        found = {} if topic is None else {topic: SimpleNamespace(partitions={1: None, 0: None})}
        return SimpleNamespace(topics=found, brokers=dict.fromkeys(range(self._brokers)))

    def create_topics(
        self, topics: list[NewTopic], request_timeout: float
    ) -> dict[str, Future[None]]:
        assert request_timeout
        self.made += topics
        future: Future[None] = Future()
        if self._answer is None:
            future.set_result(None)
        else:
            future.set_exception(self._answer)
        return {topics[0].topic: future}


@pytest.mark.parametrize(
    ("answer", "brokers", "replicas", "least"),
    [
        (None, 5, 3, "2"),
        (None, 1, 1, "1"),
        (KafkaException(KafkaError(KafkaError.TOPIC_ALREADY_EXISTS)), 3, 3, "2"),
    ],
)
def test_a_topic_that_is_missing_is_made_with_replicas(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: Exception | None,
    brokers: int,
    replicas: int,
    least: str,
) -> None:
    cluster, maker = KafkaCluster(url), Maker(answer, brokers)
    monkeypatch.setattr(cluster, "_admin", maker)
    assert cluster.make_topic("events", 16, {"retention.ms": "1"}) == [0, 1]
    (topic,) = maker.made
    assert (topic.topic, topic.num_partitions, topic.replication_factor) == ("events", 16, replicas)
    assert topic.config == {"retention.ms": "1", "min.insync.replicas": least}


def test_a_topic_that_may_not_be_made_is_declared(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = KafkaCluster(url)
    refusal = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "may not"))
    monkeypatch.setattr(cluster, "_admin", Maker(refusal, 3))
    with pytest.raises(StoreUnavailable, match=r"may not: check that .* user may do"):
        cluster.make_topic("events", 16, {})


def test_a_topic_that_is_not_made_in_time_is_declared(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "SECONDS", 0.01)
    cluster, maker = KafkaCluster(url), Maker(None, 3)
    monkeypatch.setattr(maker, "create_topics", lambda topics, **_: {topics[0].topic: Future()})
    monkeypatch.setattr(cluster, "_admin", maker)
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.01 s"):
        cluster.make_topic("events", 16, {})


@pytest.mark.parametrize(
    "url",
    [
        "kafka://",
        "kafka://u:hunter2@",
        "kafka://u:hunter2@host:9092/topic",
        "kafka://u:hunter2@host:9092?no.such.option=1",
        "kafka://u:hunter2@host:9092?acks",
        "kafkas://u:hunter2@host:9092?sasl.mechanism=NONE",
    ],
)
def test_a_url_that_cannot_be_used_is_a_setting_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="HOMING_LOG_URL is not a Kafka URL") as caught:
        open_log(url)
    assert "hunter2" not in str(caught.value)


def test_a_missing_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    monkeypatch.delitem(sys.modules, "features.stores.kafka", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'homing\[kafka\]'"):
        open_log("kafka://host:9092")


def test_a_broken_library_is_not_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.admin", None)
    monkeypatch.delitem(sys.modules, "features.stores.kafka", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"confluent_kafka\.admin"):
        open_log("kafka://host:9092")


def test_the_broker_of_compose_is_reached_where_it_says_that_it_is() -> None:
    text = (Path(__file__).parents[2] / "compose.yaml").read_text()
    broker = yaml.safe_load(text)["services"]["kafka"]
    (published,) = broker["ports"]
    place = published.rpartition(":")[0]
    assert f"HOMING_LOG_URL=kafka://{place} homing serve" in text
    assert broker["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{place}"
    assert broker["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
