"""Sending to Kafka: return once all replicas in sync have it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from features.stores.kafka import KafkaCluster, KafkaError, Message, Producer

WAIT_SECONDS: Final = 15.0
"""How long a sender waits: longer than the client itself tries to deliver."""
POLL_SECONDS: Final = 0.1
"""How long the thread that hears of deliveries waits for the next at a time."""

Record = tuple[bytes, bytes | None]
"""Key and value."""


class KafkaSender:
    """One producer, and the thread in which it tells what was delivered.

    Args:
        cluster: Where to.
    """

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._hearing: threading.Thread | None = None
        self._ended = threading.Event()

    def send(self, topic: str, records: Sequence[Record]) -> None:
        """Return once all are confirmed.

        Raises:
            StoreUnavailable: Not all were; some may have been kept.
        """
        if not records:
            return
        producer = self._running()
        batch = _Batch(len(records))
        for key, value in records:
            try:
                producer.produce(topic, value, key, on_delivery=batch.delivered)
            except BufferError:
                batch.missed("more is waiting to be sent than there is memory for")
        if not batch.done.wait(WAIT_SECONDS):
            reason = f"no confirmation within {WAIT_SECONDS:g} s"
            raise self._cluster.unavailable(reason)
        if batch.error is not None:
            raise self._cluster.unavailable(batch.error)

    def close(self) -> None:
        """Deliver what is under way, and end the thread; idempotent."""
        with self._lock:
            producer, hearing = self._producer, self._hearing
            self._producer = self._hearing = None
        if producer is not None and hearing is not None:
            producer.flush(1.0)
            self._ended.set()
            hearing.join()

    def _running(self) -> Producer:
        with self._cluster.asking(), self._lock:
            if self._producer is None:
                self._producer = self._cluster.producer()
                self._hearing = threading.Thread(
                    target=self._hear, args=(self._producer,), name="kafka", daemon=True
                )
                self._hearing.start()
            return self._producer

    def _hear(self, producer: Producer) -> None:
        while not self._ended.is_set():
            producer.poll(POLL_SECONDS)


class _Batch:
    """Records of one call that are not confirmed yet."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._left = count
        self.done = threading.Event()
        self.error: object = None

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        """Called by the producer for each record."""
        self._one(error)

    def missed(self, reason: str) -> None:
        """A record that was not even sent."""
        self._one(reason)

    def _one(self, error: object) -> None:
        with self._lock:
            self._left -= 1
            self.error = self.error or error
            if self._left == 0:
                self.done.set()
