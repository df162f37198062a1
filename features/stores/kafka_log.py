"""The event log on Kafka: the topic `homing.events`, a customer's events in one partition of it.

A reader is the consumer group `homing-READER`, so that Kafka itself shares partitions out among
processes and shows the lag. What was taken stays held until it is committed; the broker drops
records by the topic's retention, which must outlast the longest time that a reader may stand still.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from features.clock import Clock
from features.stores.codec import customer_of
from features.stores.held import Held
from features.stores.kafka_letters import KafkaLetters
from features.stores.kafka_sending import KafkaSender
from features.stores.ports import DeadLetter, Entry
from features.stores.pressure import MAX_DEPTH, Pressure

if TYPE_CHECKING:
    from features.stores.kafka import Consumer, KafkaCluster, TopicPartition

TOPIC: Final = "homing.events"
PARTITIONS: Final = 16
"""Of a topic that is made here: as many processes can share a reader."""
CONFIG: Final[Mapping[str, str]] = {"retention.ms": str(14 * 24 * 3_600 * 1_000)}
"""A fortnight: nothing is lost while ingest stands still for less."""
READERS: Final = ("profiles", "lake")
"""Those for whom appends wait when they are far behind."""
TAKE_SECONDS: Final = 0.05
"""How long taking waits for records that are under way."""


class _Reading:
    """What a process does for one reader. Whoever uses it holds the lock of `held`."""

    def __init__(self, consumer: Consumer) -> None:
        self.held = Held()
        self.consumer = consumer
        self._mine: set[int] = set()
        consumer.subscribe(
            [TOPIC], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _assigned(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._mine |= {place.partition for place in partitions}

    def _revoked(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._mine -= {place.partition for place in partitions}
        self.held.keep(self._mine)


class KafkaLog:
    """The `EventLog` on Kafka.

    Args:
        cluster: Where.
        clock: Dates dead letters.
        max_depth: Entries that wait for one reader, from which on appends are refused.
        readers: Who must not fall further behind.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        clock: Clock,
        max_depth: int = MAX_DEPTH,
        readers: Sequence[str] = READERS,
    ) -> None:
        self._cluster = cluster
        self._sender = KafkaSender(cluster)
        self._letters = KafkaLetters(cluster, self._sender, clock)
        self._readers = tuple(readers)
        self._pressure = Pressure(cluster.place, max_depth, self._deepest)
        self._lock = threading.Lock()
        self._reading: dict[str, _Reading] = {}
        self._partitions: Sequence[int] = ()

    def append(self, bodies: Sequence[bytes]) -> None:
        """Return once all replicas in sync have all of them.

        Raises:
            Overloaded: `max_depth` entries wait for a reader already; nothing was kept.
            StoreUnavailable: Not all of them were confirmed; some may have been kept.
        """
        if not bodies:
            return
        self._pressure.admit(len(bodies))
        self._topic()
        self._sender.send(TOPIC, [(customer_of(body).encode(), body) for body in bodies])

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The oldest entries of this process's partitions; the reader's place does not move."""
        from features.stores.kafka import good  # noqa: PLC0415 - see opening

        reading = self._reader(reader)
        with reading.held.lock, self._cluster.asking():
            wanted = limit - len(reading.held)
            # Even with enough in hand: a consumer that asks for nothing loses its partitions.
            got = reading.consumer.consume(max(1, wanted), TAKE_SECONDS if wanted > 0 else 0)
            records, error = good(got)
            for record in records:
                place = record.offset() or 0
                reading.held.add(record.partition() or 0, [(place, record.value() or b"")])
            if error is not None and not len(reading.held) and not error.retriable():
                raise self._cluster.unavailable(error)
            return reading.held.first(limit)

    def commit(self, reader: str, position: int) -> None:
        """Commit the offsets behind all that the reader took up to this entry."""
        from features.stores.kafka import places  # noqa: PLC0415 - see opening

        with self._cluster.asking():
            reading = self._reading.get(reader)
        if reading is None:
            return  # nothing was taken: a consumer that nobody asks would only keep partitions
        with reading.held.lock, self._cluster.asking():
            ends = {number: end + 1 for number, end in reading.held.up_to(position).items()}
            if ends:
                reading.consumer.commit(offsets=places(TOPIC, ends), asynchronous=False)
            reading.held.drop(position)

    def depth(self, reader: str) -> int:
        """How many entries the reader has not committed, whichever process is to take them."""
        partitions = self._topic()
        first, last = self._cluster.ends(TOPIC, partitions)
        committed = self._cluster.committed(f"homing-{reader}", TOPIC, partitions)
        return sum(last[at] - max(first[at], committed.get(at, 0)) for at in partitions)

    def trim(self) -> int:
        """Nothing: the broker drops records by the topic's retention."""
        with self._cluster.asking():
            return 0

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters; durable on return."""
        self._letters.bury(bodies, reason, source)

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        return [letter for letter in self._letters.all() if letter.id > after][:limit]

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        self._letters.remove(ids)

    def close(self) -> None:
        """Leave the partitions to others, after what is being appended; idempotent."""
        self._cluster.close()
        with self._lock:
            readings = list(self._reading.values())
            self._reading = {}
        for reading in readings:
            with reading.held.lock:
                reading.consumer.close()
        self._letters.close()
        self._sender.close()

    def _deepest(self) -> int:
        return max(self.depth(reader) for reader in self._readers)

    def _topic(self) -> Sequence[int]:
        if not self._partitions:
            self._partitions = self._cluster.make_topic(TOPIC, PARTITIONS, CONFIG)
        return self._partitions

    def _reader(self, reader: str) -> _Reading:
        with self._cluster.asking():
            self._topic()
            with self._lock:
                if reader not in self._reading:
                    consumer = self._cluster.consumer(f"homing-{reader}")
                    self._reading[reader] = _Reading(consumer)
                return self._reading[reader]
