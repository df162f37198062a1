"""The connection to Kafka: librdkafka's clients, with our settings and our errors.

See <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from features.errors import MissingExtra, SettingsError, StoreUnavailable

try:
    from confluent_kafka import (
        Consumer,
        ConsumerGroupTopicPartitions,
        KafkaError,
        KafkaException,
        Message,
        Producer,
        TopicPartition,
    )
    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # as the library has them
        AdminClient,
        NewTopic,
        OffsetSpec,
    )
except ModuleNotFoundError as error:
    if error.name != "confluent_kafka":
        raise
    what = "a kafka:// event log"
    raise MissingExtra(what, "kafka") from error

__all__ = ["Consumer", "KafkaCluster", "KafkaError", "Message", "Producer", "TopicPartition"]

SECONDS: Final = 10.0
"""How long anything waits for its answer."""
REPLICAS: Final = 3
"""Of a topic that is made here, where there are as many brokers; all but one must have a record."""

# Written last, so that no option of the URL undoes them.
_DURABLE: Final[Mapping[str, Any]] = {
    "acks": "all",
    "enable.idempotence": True,  # a retry neither doubles nor reorders
    "delivery.timeout.ms": int(1_000 * SECONDS),
    "partitioner": "murmur2",  # where clients in Java send a key too
    "linger.ms": 2,
    "queue.buffering.max.kbytes": 65_536,
}
_CAREFUL: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "cooperative-sticky",
    "queued.max.messages.kbytes": 16_384,
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "log_level": 0,  # what goes wrong is raised
    "socket.timeout.ms": int(1_000 * SECONDS),
}

_ENDS: Final = (
    OffsetSpec.earliest(),  # type: ignore[no-untyped-call]  # as the library has it
    OffsetSpec.latest(),  # type: ignore[no-untyped-call]  # likewise
)

Offsets = dict[int, int]
"""Partition → offset."""


class KafkaCluster:
    """What makes clients of one cluster.

    Args:
        url: `kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]`, or `kafkas://` for TLS; options of
            librdkafka behind `?`, such as `sasl.mechanism=SCRAM-SHA-512`.

    Raises:
        SettingsError: The URL can't be used.
    """

    def __init__(self, url: str) -> None:
        self._options, self.place = _options(url)
        self._closed = False
        try:
            self._admin = AdminClient(self._options)
            Producer({**self._options, **_DURABLE})  # checks the options, waits for nothing
        except (KafkaException, ValueError, TypeError):
            raise _unusable() from None  # the cause may show the password

    def producer(self) -> Producer:
        """A producer whose records are confirmed by all replicas in sync."""
        return Producer({**self._options, **_DURABLE})

    def consumer(self, group: str) -> Consumer:
        """A consumer that commits when it is told to."""
        return Consumer({**self._options, "group.id": group, **_CAREFUL})

    @contextmanager
    def asking(self) -> Iterator[AdminClient]:
        """A client that looks after topics; declares what goes wrong meanwhile.

        Raises:
            StoreUnavailable: The cluster does not answer, or refuses.
        """
        if self._closed:
            message = f"{self.place} is closed in this process: open it again"
            raise StoreUnavailable(message)
        try:
            yield self._admin
        except KafkaException as error:
            raise self.unavailable(error.args[0]) from error
        except TimeoutError as error:
            reason = f"no answer within {SECONDS:g} s"
            raise self.unavailable(reason) from error

    def unavailable(self, error: object) -> StoreUnavailable:
        """The declared error for one of the library's."""
        says = error.str() if isinstance(error, KafkaError) else str(error)
        return StoreUnavailable(
            f"{self.place}: {says}: check that it runs, that this machine reaches every broker "
            "under its advertised name, and what HOMING_LOG_URL's user may do; send the same again"
        )

    def make_topic(self, name: str, partitions: int, config: Mapping[str, str]) -> Sequence[int]:
        """Its partitions; made when missing, of three replicas where there are as many brokers."""
        with self.asking() as admin:
            known = admin.list_topics(timeout=SECONDS)
            if name not in known.topics:
                replicas = min(REPLICAS, len(known.brokers))
                safe = {**config, "min.insync.replicas": str(max(1, replicas - 1))}
                topic = NewTopic(name, partitions, replicas, config=safe)
                for made in admin.create_topics([topic], request_timeout=SECONDS).values():
                    _unless_there(made.exception(SECONDS))
            return sorted(admin.list_topics(name, timeout=SECONDS).topics[name].partitions)

    def ends(self, topic: str, partitions: Sequence[int]) -> tuple[Offsets, Offsets]:
        """The first offset that is kept, and the next one that will be written."""
        found = []
        with self.asking() as admin:
            for which in _ENDS:
                asked = {TopicPartition(topic, number): which for number in partitions}
                answers = admin.list_offsets(asked, request_timeout=SECONDS)
                found.append(
                    {at.partition: done.result(SECONDS).offset for at, done in answers.items()}
                )
        return found[0], found[1]

    def committed(self, group: str, topic: str, partitions: Sequence[int]) -> Offsets:
        """Where a group goes on, of those partitions in which it has committed anything."""
        places = [TopicPartition(topic, number) for number in partitions]
        asked = ConsumerGroupTopicPartitions(group, places)
        with self.asking() as admin:
            (done,) = admin.list_consumer_group_offsets([asked], request_timeout=SECONDS).values()
            found = done.result(SECONDS).topic_partitions or ()
        return {place.partition: place.offset for place in found if place.offset >= 0}

    def close(self) -> None:
        """Every later call raises `StoreUnavailable`."""
        self._closed = True


def places(topic: str, offsets: Mapping[int, int]) -> list[TopicPartition]:
    """Partition → offset, as the library has it."""
    return [TopicPartition(topic, number, offset) for number, offset in offsets.items()]


def good(messages: Sequence[Message]) -> tuple[list[Message], KafkaError | None]:
    """The records among what a consumer got, and the first error."""
    errors = [error for message in messages if (error := message.error())]
    return [message for message in messages if not message.error()], next(iter(errors), None)


def _unless_there(error: BaseException | None) -> None:
    """Raise what went wrong when a topic was made, unless another process was faster."""
    if error is None:
        return
    failed = error.args[0] if error.args else None
    fine = (KafkaError.TOPIC_ALREADY_EXISTS, KafkaError._UNSUPPORTED_FEATURE)  # noqa: SLF001 - its name there
    if not (isinstance(failed, KafkaError) and failed.code() in fine):
        raise error


def _options(url: str) -> tuple[dict[str, Any], str]:
    """The options for librdkafka, and the URL without user, password and options."""
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _unusable() from None
    user, _, servers = parts.netloc.rpartition("@")
    if not servers or parts.path.strip("/"):
        raise _unusable()
    secure = "SSL" if parts.scheme == "kafkas" else "PLAINTEXT"
    options = {**_DEFAULTS, "security.protocol": secure, "bootstrap.servers": servers}
    if user:
        name, _, password = user.partition(":")
        options |= {
            "security.protocol": f"SASL_{secure}",
            "sasl.mechanism": "PLAIN",
            "sasl.username": unquote(name),
            "sasl.password": unquote(password),
        }
    return {**options, **given}, f"{parts.scheme}://{servers}"


def _unusable() -> SettingsError:
    return SettingsError(
        "HOMING_LOG_URL is not a Kafka URL: write kafka://HOST:PORT,HOST:PORT, with USER:PASSWORD@ "
        "before the hosts where needed, percent-encoded, and librdkafka's options behind ?"
    )
