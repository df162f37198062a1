"""The event log on RabbitMQ: for each reader and partition a quorum queue.

An append goes to the exchange `homing.events` with its partition as the key, and from there into
`homing.READER.PARTITION` of every reader; it returns when the broker has confirmed each, which a
quorum queue does once a majority has it on disk. Committing acknowledges; the queue then drops the
entry by itself. A queue has one active consumer, so that a customer's events stay in order; the
consumers of `homing.READER` are the processes among which the queues are shared out.
See <https://www.rabbitmq.com/docs/consumers#single-active-consumer>.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from features.clock import Clock
from features.stores.held import Held, partition_of
from features.stores.ports import Entry
from features.stores.pressure import MAX_DEPTH, Pressure
from features.stores.rabbitmq_letters import QUORUM, RabbitLetters, dead_queue

if TYPE_CHECKING:
    from features.stores.rabbitmq import (
        Channel,
        Connection,
        Exchange,
        Incoming,
        Queue,
        RabbitServer,
    )

PARTITIONS: Final = 8
"""Queues of a reader. Another number would part a customer's events that wait from new ones."""
READERS: Final = ("profiles", "lake")
"""Those whose queues are there before the first append, and so miss nothing."""
PREFETCH: Final = 2_000
"""Entries of a queue that a process may hold before it commits."""
SHARE_SECONDS: Final = 2.0
"""How often a process looks whether its part of the queues is still fair."""
MOVES: Final = 0.5
"""How likely one moves to a queue that nobody consumes: two that always did would meet again."""
TAKE_SECONDS: Final = 0.05
"""How long taking waits for entries that are under way."""
NEW_SECONDS: Final = 3.0
"""How long new queues are left alone before anything is confirmed in them: RabbitMQ 3.10, killed
within two seconds of making some, was seen to forget them with all that they had confirmed."""
EXCHANGE: Final = "homing.events"
MADE: Final = "homing.made"
"""An exchange that is made when all queues have been there for so long; nobody writes to it. No
queue: that would lie on one machine of a cluster, and be missed while it is down."""
ORDERED: Final[dict[str, str | int | bool]] = {**QUORUM, "x-single-active-consumer": True}


class _Reading:
    """What a process does for one reader; changed in the library's thread alone, but for `held`."""

    def __init__(self) -> None:
        self.held = Held()
        self.arrived = threading.Event()
        self.channel: Channel | None = None
        self.consumed: dict[int, tuple[Queue, str]] = {}
        self.looked = -SHARE_SECONDS

    def idle(self) -> list[int]:
        """The partitions that are consumed, the longest first, and of which nothing is held."""
        with self.held.lock:
            return [one for one in self.consumed if not self.held.places(one)]

    def restart(self, channel: Channel) -> None:
        """Begin on a new channel: what was held is delivered again."""
        with self.held.lock:
            self.held.keep(())
            self.channel = channel
            self.consumed = {}
            self.looked = -SHARE_SECONDS


class RabbitLog(RabbitLetters):
    """The `EventLog` on RabbitMQ.

    Args:
        server: Where.
        clock: Dates dead letters.
        max_depth: Entries that wait for one reader, from which on appends are refused.
        readers: Whose queues to fill from the first append on.
    """

    def __init__(
        self,
        server: RabbitServer,
        clock: Clock,
        max_depth: int = MAX_DEPTH,
        readers: Sequence[str] = READERS,
    ) -> None:
        super().__init__(server, clock)
        self._readers = tuple(readers)
        self._pressure = Pressure(server.place, max_depth, self._deepest)
        self._publishing: Channel | None = None
        self._counting: Channel | None = None
        self._bound: set[str] = set()
        self._opening = asyncio.Lock()
        self._preparing = asyncio.Lock()
        self._reading: dict[str, _Reading] = {}

    def append(self, bodies: Sequence[bytes]) -> None:
        """Return once the broker has confirmed all of them.

        Raises:
            Overloaded: `max_depth` entries wait for a reader already; nothing was kept.
            StoreUnavailable: The broker does not answer or refuses; some may have been kept.
        """
        if not bodies:
            return
        self._pressure.admit(len(bodies))
        self._server.run(partial(self._publish, bodies))

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The oldest entries that this process holds for the reader; its place does not move."""
        reading = self._reading.setdefault(reader, _Reading())
        self._server.run(partial(self._share, reader, reading))
        with reading.held.lock:
            if not len(reading.held):
                reading.arrived.clear()
        reading.arrived.wait(TAKE_SECONDS)
        with reading.held.lock:
            return reading.held.first(limit)

    def commit(self, reader: str, position: int) -> None:
        """Acknowledge all that the reader took up to this entry, in one message."""
        reading = self._reading.setdefault(reader, _Reading())
        with reading.held.lock:
            channel = reading.channel
            last = max(reading.held.up_to(position).values(), default=0)

        async def acknowledge(connection: Connection) -> None:
            if channel is not None and last:
                # On the channel that delivered them: another would know other messages by the tag.
                underlay = await channel.get_underlay_channel()
                await underlay.basic_ack(last, multiple=True)
            else:
                await self._declared(connection, reader)

        self._server.run(acknowledge)
        with reading.held.lock:
            reading.held.drop(position)

    def depth(self, reader: str) -> int:
        """How many entries wait in the reader's queues, and how many this process holds of them."""
        reading = self._reading.get(reader)
        waiting = self._server.run(partial(self._waiting, reader))
        if reading is None:
            return waiting
        with reading.held.lock:
            return waiting + len(reading.held)

    def trim(self) -> int:
        """Nothing: a queue drops what its reader committed by itself."""
        self._server.run(self._connected)
        return 0

    def close(self) -> None:
        """Leave the queues, and what is held, to others, and disconnect; idempotent."""
        self._server.close()

    async def _connected(self, _: Connection) -> None:
        return

    async def _publish(self, bodies: Sequence[bytes], connection: Connection) -> None:
        from features.stores.rabbitmq import PERSISTENT, Message  # noqa: PLC0415 - see opening

        async with self._opening:
            if self._publishing is None or self._publishing.is_closed:
                # Also of a server that came back: it may have died before they were on its disk.
                await self._prepare(connection)
                self._publishing = await connection.channel()
            exchange = await self._publishing.get_exchange(EXCHANGE, ensure=False)
        sent = [
            exchange.publish(
                Message(body, delivery_mode=PERSISTENT),
                routing_key=str(partition_of(body, PARTITIONS)),
            )
            for body in bodies
        ]
        await asyncio.gather(*sent)

    async def _prepare(self, connection: Connection) -> None:
        """See to it that all queues are there, and will be there after a death of the server."""
        from features.stores.rabbitmq import is_there  # noqa: PLC0415 - see opening

        for reader in self._readers:
            await self._declared(connection, reader)
        are_old = await is_there(connection, MADE)
        async with await connection.channel() as channel:
            await dead_queue(channel)
            await asyncio.sleep(0 if are_old else NEW_SECONDS)
            await channel.declare_exchange(MADE, durable=True)

    def _deepest(self) -> int:
        return max(self._server.run(partial(self._waiting, reader)) for reader in self._readers)

    async def _waiting(self, reader: str, connection: Connection) -> int:
        queues = await self._declared(connection, reader)
        return sum(queue.declaration_result.message_count or 0 for queue in queues)

    async def _declared(self, connection: Connection, reader: str) -> list[Queue]:
        """The reader's queues, made when missing, with how many wait and consume now."""
        async with self._preparing:
            if self._counting is None or self._counting.is_closed:
                self._counting = await connection.channel()
                self._bound = set()
                await _routing(self._counting)
            channel = self._counting
        queues = []
        for partition in range(PARTITIONS):
            name = f"homing.{reader}.{partition}"
            queues.append(await channel.declare_queue(name, durable=True, arguments=dict(ORDERED)))
        if reader not in self._bound:
            for partition, queue in enumerate(queues):
                await queue.bind(EXCHANGE, str(partition))
            self._bound.add(reader)
        return queues

    async def _share(self, reader: str, reading: _Reading, connection: Connection) -> None:
        """Consume a fair part of the reader's queues."""
        channel = reading.channel
        if channel is None or channel.is_closed:
            channel = await _join(reader, reading, connection)
        if time.monotonic() - reading.looked < SHARE_SECONDS:
            return
        queues = await self._declared(connection, reader)
        if any(not queues[one].declaration_result.consumer_count for one in reading.consumed):
            # A server that is just coming back may forget who consumes, and tell nobody.
            await channel.close()
            channel = await _join(reader, reading, connection)
        members = await channel.declare_queue(f"homing.{reader}", durable=True)
        fair = -(-PARTITIONS // max(1, members.declaration_result.consumer_count or 0))
        while len(reading.consumed) > fair:
            await _give_back(reading, channel, next(reversed(reading.consumed)))
        free = [
            one for one, queue in enumerate(queues) if not queue.declaration_result.consumer_count
        ]
        random.shuffle(free)
        room = fair - len(reading.consumed)
        idle = reading.idle()
        if free and idle and not room and random.random() < MOVES:  # noqa: S311 - no secret
            # Everybody has his part, and still some have nobody: who came at the same moment as we
            # consumes what we do, and one of us gets nothing of it.
            await _give_back(reading, channel, idle[0])
            room = 1
        for partition in free[:room]:
            await _consume(reading, channel, partition, queues[partition].name)
        reading.looked = time.monotonic()


async def _routing(channel: Channel) -> Exchange:
    from features.stores.rabbitmq import DIRECT  # noqa: PLC0415 - see opening

    return await channel.declare_exchange(EXCHANGE, DIRECT, durable=True)


async def _join(reader: str, reading: _Reading, connection: Connection) -> Channel:
    """Be one of those among whom the reader's queues are shared, on a new channel."""
    channel = await connection.channel(publisher_confirms=False)
    await channel.set_qos(prefetch_count=PREFETCH)
    members = await channel.declare_queue(f"homing.{reader}", durable=True)
    await members.consume(_nothing, no_ack=True)
    reading.restart(channel)
    return channel


async def _consume(reading: _Reading, channel: Channel, partition: int, name: str) -> None:
    queue = await channel.get_queue(name, ensure=False)

    async def arrived(message: Incoming) -> None:
        with reading.held.lock:
            if reading.channel is channel and partition in reading.consumed:
                reading.held.add(partition, [(message.delivery_tag or 0, message.body)])
                reading.arrived.set()
                return
        await message.nack()

    reading.consumed[partition] = (queue, "")
    reading.consumed[partition] = (queue, await queue.consume(arrived))


async def _give_back(reading: _Reading, channel: Channel, partition: int) -> None:
    """Stop consuming one queue, and return what is held of it to where it was."""
    queue, tag = reading.consumed[partition]
    await queue.cancel(tag)
    underlay = await channel.get_underlay_channel()
    with reading.held.lock:
        # Not before: what arrives meanwhile would be returned in front of what came earlier.
        del reading.consumed[partition]
        returned = reading.held.places(partition)
        reading.held.keep(reading.consumed)
    for place in returned:
        await underlay.basic_nack(place)


async def _nothing(_: Incoming) -> None:
    """Nobody writes to the queue whose consumers are counted."""
