"""Dead letters in Kafka: the compacted topic `homing.dead`.

A letter's key is the digest of its bytes and its source; one that was removed is a record without
a value, so that compaction drops its bytes. Looking at letters reads on from the last look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from features.clock import Clock
from features.stores.codec import letter_digest
from features.stores.kafka_sending import KafkaSender, Record
from features.stores.letter_numbers import LetterNumbers
from features.stores.ports import DeadLetter

if TYPE_CHECKING:
    from features.stores.kafka import Consumer, KafkaCluster

TOPIC: Final = "homing.dead"
CONFIG: Final[Mapping[str, str]] = {"cleanup.policy": "compact"}
READ_SECONDS: Final = 10.0
"""How long a look may read."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeadLetter)


class KafkaLetters:
    """Dead letters, as the `EventLog` has them.

    Args:
        cluster: Where.
        sender: Writes them.
        clock: Dates them.
    """

    def __init__(self, cluster: KafkaCluster, sender: KafkaSender, clock: Clock) -> None:
        self._cluster = cluster
        self._sender = sender
        self._clock = clock
        self._numbers = LetterNumbers(clock)
        self._lock = threading.Lock()
        self._reading: Consumer | None = None
        self._read: dict[int, int] = {}
        self._known: dict[bytes, DeadLetter] = {}

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters; durable on return."""
        at = int(self._clock.now().timestamp())
        with self._lock:
            self._look()
            new: dict[bytes, bytes] = {}
            for body in bodies:
                key = letter_digest(body, source)
                if key not in self._known and key not in new:
                    number = self._numbers.next()
                    letter = DeadLetter(id=number, body=body, reason=reason, source=source, at=at)
                    new[key] = _encoder.encode(letter)
            self._sender.send(TOPIC, list(new.items()))

    def all(self) -> list[DeadLetter]:
        """All of them, in the order of their ids."""
        with self._lock:
            self._look()
            return sorted(self._known.values(), key=lambda letter: letter.id)

    def remove(self, ids: Collection[int]) -> None:
        """Drop those of these ids."""
        with self._lock:
            self._look()
            gone: list[Record] = [
                (key, None) for key, letter in self._known.items() if letter.id in ids
            ]
            self._sender.send(TOPIC, gone)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._reading is not None:
                self._reading.close()
                self._reading = None

    def _look(self) -> None:
        """Read what was written since the last look."""
        from features.stores.kafka import good, places  # noqa: PLC0415 - see opening

        partitions = self._cluster.make_topic(TOPIC, 1, CONFIG)
        first, last = self._cluster.ends(TOPIC, partitions)
        with self._cluster.asking():
            if self._reading is None:
                self._reading = self._cluster.consumer("homing-dead")
                self._read = first
                self._reading.assign(places(TOPIC, first))
            deadline = time.monotonic() + READ_SECONDS
            while any(self._read[number] < last[number] for number in partitions):
                records, error = good(self._reading.consume(1_000, 0.05))
                if time.monotonic() > deadline:
                    raise self._cluster.unavailable(error or "dead letters come too slowly")
                for record in records:
                    self._fold(record.key() or b"", record.value())
                    self._read[record.partition() or 0] = (record.offset() or 0) + 1

    def _fold(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._known.pop(key, None)
        else:
            self._known[key] = _decoder.decode(value)
