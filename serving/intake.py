"""What sources push, into the event log: acknowledged once it is durable.

What waits together is read and kept together, in one append: while one group is on its way to the
disk, the next gathers. So a slow disk makes groups larger, and beyond `MOST_BYTES` that wait the
next sender is told to come back.

What must not come twice is remembered among the pins: they are shared by workers and replicas,
take a key unless it is there, and forget it by themselves. It is remembered only after its events
are durable, for the sender tries again until then. Of two that come at the same moment, one in each
of two processes, both are taken; the ids of their events tell the repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Final

import structlog

from features.errors import HomingError, Overloaded, StoreUnavailable
from features.identity import CustomerKeys
from features.letters import Letters
from features.sources.again import METHOD, Reader, origin_of, readers_of
from features.sources.opening import Opened
from features.sources.segment import NAME as SEGMENT
from features.sources.source import Delivery
from features.stores.ports import NewPin
from serving.keeping import Keeper, Taken, Waiting
from serving.parts import Parts

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of deliveries that wait to be kept."""
MOST_TOGETHER: Final = 500
"""Deliveries that are kept together."""
KEEP_SECONDS: Final = 10.0
"""How long a delivery may take before its sender is told to come back."""
_SEEN: Final = b"seen"

_log = structlog.get_logger(__name__)


class Intake:
    """Takes deliveries in. Its methods are called from one event loop.

    Args:
        parts: Where things are kept and counted.
        customers: Turns outside ids into keys.
    """

    def __init__(self, parts: Parts, customers: CustomerKeys) -> None:
        self._parts = parts
        self._customers = customers
        self.readers: Mapping[str, Reader] = readers_of(parts.sources, parts.settings.segment_item)
        self._keeper = Keeper(parts, customers, self.readers)
        self._waiting: list[Waiting] = []
        self._bytes = 0
        self._keeping: asyncio.Task[None] | None = None
        # One thread: what it can't take at once waits, and is taken together.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")

    def check(self, opened: Opened, delivery: Delivery) -> str | None:
        """What makes a delivery the same as another one, if it is the sender's.

        Raises:
            Unauthenticated: It is not.
        """
        return opened.source.verify(delivery, self._parts.clock.now())

    async def deliver(self, opened: Opened, delivery: Delivery, key: str | None) -> Taken:
        """Keep what a checked delivery says.

        Args:
            opened: Its source.
            delivery: It.
            key: As `check` returned it.

        Raises:
            StoreUnavailable: It can't be kept just now, or not in time; sending it again is safe.
            Overloaded: Too much is waiting.
        """
        origin = origin_of(opened.name, delivery.headers, opened.headers)
        seconds = int(opened.remembered.total_seconds())
        pin = None if key is None else _pin(opened.name, key, seconds)
        return await self._take(opened.name, origin, delivery, pin)

    async def track(self, method: str, body: bytes) -> Taken:
        """Keep what a call of Segment's says.

        Raises:
            StoreUnavailable: As `deliver`.
            Overloaded: As `deliver`.
        """
        headers = {METHOD: method}
        origin = origin_of(SEGMENT, headers, (METHOD,))
        return await self._take(SEGMENT, origin, Delivery(body, headers), None)

    def letters(self) -> Letters:
        """What could not be read."""
        parts = self._parts
        return Letters(
            parts.log,
            self.readers,
            lambda: self._customers,
            lambda: parts.stores.catalogue,
            parts.clock,
            parts.catalogue.put,
        )

    def close(self) -> None:
        """End the thread after what it is doing."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _take(
        self, source: str, origin: str, delivery: Delivery, pin: NewPin | None
    ) -> Taken:
        if self._bytes >= MOST_BYTES:
            message = (
                f"{self._bytes:,} bytes of deliveries are waiting: the log is slower than they "
                "come; send this one again later"
            )
            raise Overloaded(message)
        loop, now = asyncio.get_running_loop(), self._parts.clock.now()
        waiting = Waiting(source, origin, delivery, now, pin, loop.create_future())
        self._waiting.append(waiting)
        self._bytes += waiting.size
        if self._keeping is None or self._keeping.done():
            self._keeping = loop.create_task(self._keep())
        try:
            return await asyncio.wait_for(waiting.done, KEEP_SECONDS)
        except TimeoutError as error:
            self._parts.metrics.failures.labels("store").inc()
            message = f"the delivery was not kept within {KEEP_SECONDS:.0f} s: send it again later"
            raise StoreUnavailable(message) from error

    async def _keep(self) -> None:
        """Keep what waits, a group at a time, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            try:
                outcomes = await loop.run_in_executor(self._thread, self._keeper.keep, group)
            except Exception:  # noqa: BLE001 - whatever it was, its senders try again
                self._parts.metrics.internal.inc()
                _log.exception("deliveries not kept", number=len(group))
                fault = StoreUnavailable("a fault while keeping it: send it again later")
                outcomes = [fault] * len(group)
            for waiting, outcome in zip(group, outcomes, strict=True):
                self._bytes -= waiting.size
                self._settle(waiting, outcome)

    def _settle(self, waiting: Waiting, outcome: Taken | HomingError) -> None:
        metrics = self._parts.metrics
        if isinstance(outcome, Taken):
            metrics.events.inc(outcome.accepted)
            metrics.webhook_events.labels(waiting.source).inc(outcome.accepted)
            metrics.webhooks_buried.labels(waiting.source).inc(outcome.unreadable)
            metrics.webhooks_repeated.labels(waiting.source).inc(outcome.repeated)
        else:
            metrics.failures.labels("store").inc()
        if waiting.done.done():
            return  # its sender was told to come back, or has gone
        if isinstance(outcome, Taken):
            waiting.done.set_result(outcome)
        else:
            waiting.done.set_exception(outcome)


def _pin(source: str, key: str, seconds: int) -> NewPin:
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return NewPin(f"webhook:{source}:{digest}", "seen", "", _SEEN, seconds)
