"""The event log on Redis Streams (Redis or Valkey, from 7.0).

Keys: the streams `homing:log:N`, each customer's events in one of them;
`homing:log:lease:READER:N`, which process reads it for a reader; `homing:log:members:READER`, the
processes among which a reader is shared out; `homing:log:dead` and `homing:log:dead:digests`, dead
letters. Leases keep order and spare double work, no more: when one runs out under a process that
goes on, nothing is lost or doubled, for what is taken twice changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from features.clock import Clock
from features.errors import StoreUnavailable
from features.stores import redis_log_steps as steps
from features.stores.codec import letter_digest
from features.stores.held import Held, partition_of, shares
from features.stores.ports import DeadLetter, Entry
from features.stores.pressure import MAX_DEPTH, full
from features.tokens import token

if TYPE_CHECKING:
    from features.stores.redis import RedisServer

PARTITIONS: Final = 16
"""Streams: as many processes can share a reader. Another number would part events of a customer."""
LEASE_SECONDS: Final = 15.0
"""After how long others take over the streams of a process that died."""
TRIM_CHUNK: Final = 1_000
"""Entries dropped of a stream in one step of the server: others get their turn between two."""
CHECK_SECONDS: Final = 5.0
"""How often the server is asked whether it still keeps what it acknowledges."""
LEAST_VERSION: Final = 7
"""Of the server: older ones can't number a stream's entries without gaps."""

STREAMS: Final = tuple(f"homing:log:{number}" for number in range(PARTITIONS))
DEAD: Final = ("homing:log:dead", "homing:log:dead:digests")

Args = list[str | bytes | int]

_KEPT: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""What the server's configuration must say, so that what it acknowledged outlives it."""


class RedisLog:
    """The `EventLog` on Redis Streams.

    Args:
        server: Where.
        clock: Dates dead letters.
        max_depth: Entries that were not trimmed yet, from which on appends are refused.
    """

    def __init__(self, server: RedisServer, clock: Clock, max_depth: int = MAX_DEPTH) -> None:
        self._server = server
        self._clock = clock
        self._max_depth = max_depth
        self._me = token()
        self._held: defaultdict[str, Held] = defaultdict(Held)
        self._lock = threading.Lock()
        self._kept_until = 0.0

    def append(self, bodies: Sequence[bytes]) -> None:
        """Return once the server has all of them on its disk; all or none.

        Raises:
            Overloaded: There are `max_depth` entries already.
            StoreUnavailable: The server does not answer, or would not keep them.
        """
        if not bodies:
            return
        args: Args = [self._max_depth]
        for body in bodies:
            args += [partition_of(body, PARTITIONS) + 1, body]
        self._check_kept()
        depth = self._run(steps.APPEND, STREAMS, args)
        if depth >= 0:
            raise full(self._server.place, depth, self._max_depth)

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The entries after the reader's place, oldest first; taking does not move the place.

        When several processes take for one reader, each gets those of its part of the streams.
        """
        held = self._held_by(reader)
        with held.lock:
            self._fill(held, reader, limit)
            return held.first(limit)

    def commit(self, reader: str, position: int) -> None:
        """Move the reader's place behind this entry; a place never goes back."""
        held = self._held_by(reader)
        with held.lock:
            args: Args = [reader]
            for partition, place in held.up_to(position).items():
                args += [partition, place]
            self._run(steps.COMMIT, STREAMS, args)
            held.drop(position)

    def depth(self, reader: str) -> int:
        """How many entries the reader has not committed, whichever process is to take them."""
        return cast("int", self._run(steps.DEPTH, STREAMS, [reader]))

    def trim(self) -> int:
        """Drop what every known reader has committed; returns how many entries."""
        dropped = 0
        while chunk := self._run(steps.TRIM, STREAMS, [TRIM_CHUNK]):
            dropped += chunk
        return dropped

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters; durable on return."""
        args: Args = [reason, source, int(self._clock.now().timestamp())]
        for body in bodies:
            args += [body, letter_digest(body, source)]
        self._check_kept()
        self._run(steps.BURY, DEAD, args)

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        with self._server.moving() as client:
            found = client.xrange(DEAD[0], f"(0-{after}", "+", count=limit)
        return [
            DeadLetter(
                id=_number(number),
                body=fields[b"body"],
                reason=fields[b"reason"].decode(),
                source=fields[b"source"].decode(),
                at=int(fields[b"at"]),
            )
            for number, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        ]

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        self._run(steps.REMOVE_DEAD, DEAD, list(ids))

    def close(self) -> None:
        """Leave the streams to others at once, and disconnect; idempotent."""
        with self._lock:
            readers = tuple(self._held)
        with suppress(StoreUnavailable):
            for reader in readers:
                self._run(steps.LEAVE, [_members(reader), *_leases(reader)], [self._me])
        self._server.close()

    def _held_by(self, reader: str) -> Held:
        with self._lock:
            return self._held[reader]

    def _fill(self, held: Held, reader: str, limit: int) -> None:
        """Hold as many entries as are asked for, or as there are in this process's part."""
        keys = [_members(reader), *STREAMS, *_leases(reader)]
        args: Args = [reader, self._me, int(1_000 * LEASE_SECONDS)]
        part = cast("list[tuple[int, int, int]]", self._run(steps.SHARE, keys, args))
        held.keep(number for number, _, _ in part)
        ends = held.ends()
        starts = {number: max(place, ends.get(number, 0)) for number, place, _ in part}
        waiting = {number: last - starts[number] for number, _, last in part}
        wanted = shares(waiting, limit - len(held)) if len(held) < limit else {}
        if not wanted:
            return
        with self._server.moving() as client, client.pipeline(transaction=False) as pipeline:
            for number, count in wanted.items():
                pipeline.xrange(STREAMS[number - 1], f"(0-{starts[number]}", "+", count=count)
            found = cast("list[list[tuple[bytes, dict[bytes, bytes]]]]", pipeline.execute())
        for number, entries in zip(wanted, found, strict=True):
            held.add(number, [(_number(place), fields[b"body"]) for place, fields in entries])

    def _check_kept(self) -> None:
        """Raise unless the server writes to its disk before it acknowledges."""
        if time.monotonic() < self._kept_until:
            return
        with self._server.moving() as client:
            version: str = client.info("server")["redis_version"]
            found = cast("dict[str, str]", client.config_get("append*", "maxmemory-policy"))
        if int(version.partition(".")[0]) < LEAST_VERSION:
            message = f"{self._server.place}: Redis {version} has no streams of this kind: from 7.0"
            raise StoreUnavailable(message)
        wrong = [name for name, value in _KEPT.items() if found.get(name) != value]
        if wrong:
            cure = ", ".join(f"{name} {_KEPT[name]}" for name in wrong)
            message = (
                f"{self._server.place} may lose events that it has acknowledged: "
                f"set in its configuration: {cure}"
            )
            raise StoreUnavailable(message)
        self._kept_until = time.monotonic() + CHECK_SECONDS

    def _run(self, step: str, keys: Sequence[str], args: Args) -> Any:  # noqa: ANN401 - what the script says
        with self._server.moving() as client:
            return client.register_script(step)(keys=keys, args=args)


def _number(place: bytes) -> int:
    return int(place.partition(b"-")[2])


def _members(reader: str) -> str:
    return f"homing:log:members:{reader}"


def _leases(reader: str) -> list[str]:
    return [f"homing:log:lease:{reader}:{number}" for number in range(PARTITIONS)]
