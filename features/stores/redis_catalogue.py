"""Items, overrides and shelves in Redis or Valkey.

Keys: the hashes `homing:items` and `homing:shelves`, the counter `homing:catalogue`, and the hash
`homing:overrides` of their number and body.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

import msgspec

from features.errors import InvalidItem, StoreUnavailable
from features.item import Item
from features.override import Override, with_overrides
from features.stores.codec import decode_item, decode_overrides, encode_item, encode_overrides
from features.stores.halves import chunks
from features.stores.ports import OverridesAt

if TYPE_CHECKING:
    from features.stores.redis import Pipeline, RedisServer

CHUNK: Final = 1_000
"""Items in one message of a bulk write."""
ITEMS: Final = "homing:items"
SHELVES: Final = "homing:shelves"
VERSION: Final = "homing:catalogue"
OVERRIDES: Final = "homing:overrides"

_BEGINNINGS: Final = 1 << 48
_FIELDS: Final = ["number", "body"]
Fields = tuple[bytes | None, bytes | None]


class RedisCatalogue:
    """The `Catalogue` on Redis.

    Args:
        server: Where.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def get_many(self, items: Sequence[str]) -> dict[str, Item]:
        """Those items that are known."""
        if not items:
            return {}
        with self._server.asking() as client:
            bodies = cast("list[bytes | None]", client.hmget(ITEMS, list(items)))
        found = [self._item(body) for body in bodies if body is not None]
        return {item.id: item for item in found}

    def put_many(self, items: Iterable[Item]) -> int:
        """Add or replace items; returns how many."""
        bodies = {item.id: encode_item(item) for item in items}
        for chunk in chunks(bodies.items(), CHUNK):
            self._put(ITEMS, dict(chunk))
        return len(bodies)

    def all(self) -> Iterator[Item]:
        """Every item, in the order of ids."""
        with self._server.moving() as client:
            bodies = dict(client.hscan_iter(ITEMS, count=CHUNK))
        return (self._item(body) for _, body in sorted(bodies.items()))

    def count(self) -> int:
        """How many items there are."""
        with self._server.moving() as client:
            return client.hlen(ITEMS)

    def put_shelves(self, shelves: Mapping[str, Sequence[str]]) -> None:
        """Replace the named shelves; others stay."""
        if shelves:
            bodies = {name: msgspec.msgpack.encode(items) for name, items in shelves.items()}
            self._put(SHELVES, bodies)

    def shelves(self) -> dict[str, tuple[str, ...]]:
        """All shelves."""
        with self._server.moving() as client:
            kept = cast("dict[bytes, bytes]", client.hgetall(SHELVES))
        decoded = {
            name.decode(): msgspec.msgpack.decode(body, type=tuple[str, ...])
            for name, body in kept.items()
        }
        return dict(sorted(decoded.items()))

    def version(self) -> int:
        """A number that changes with every change of items or shelves."""
        with self._server.asking() as client:
            return int(cast("bytes | None", client.get(VERSION)) or 0)

    def overrides(self) -> OverridesAt:
        """All overrides, and the version that they are of."""
        with self._server.asking() as client:
            number, body = cast("Fields", client.hmget(OVERRIDES, _FIELDS))
        return OverridesAt(int(number or 0), decode_overrides(self._server.place, body))

    def overrides_version(self) -> int:
        """A number that changes with every change of overrides."""
        with self._server.asking() as client:
            return int(cast("bytes | None", client.hget(OVERRIDES, "number")) or 0)

    def put_overrides(self, overrides: Sequence[Override], now: datetime) -> None:
        """Add or replace overrides, and drop those that have ended by now; all or nothing."""
        self._change_overrides(lambda kept: with_overrides(kept, overrides, now))

    def drop_overrides(self, names: Collection[str]) -> int:
        """Drop the overrides of these ids; returns how many there were."""
        dropped: list[int] = []

        def drop(kept: Sequence[Override]) -> Sequence[Override]:
            left = [override for override in kept if override.id not in names]
            dropped.append(len(kept) - len(left))
            return left if dropped[-1] else kept

        self._change_overrides(drop)
        return dropped[-1]

    def _change_overrides(self, change: Callable[[Sequence[Override]], Sequence[Override]]) -> None:
        """Replace the overrides by what a function makes of them; what it leaves alone stays."""

        def step(pipeline: Pipeline) -> None:
            body = cast("bytes | None", pipeline.hget(OVERRIDES, "body"))
            kept = decode_overrides(self._server.place, body)
            left = change(kept)
            pipeline.multi()
            if left is not kept:
                pipeline.hset(OVERRIDES, "body", cast("str", encode_overrides(left)))
                # From anywhere, as that of items.
                pipeline.hsetnx(OVERRIDES, "number", str(secrets.randbelow(_BEGINNINGS)))
                pipeline.hincrby(OVERRIDES, "number", 1)

        self._server.change([OVERRIDES], step)

    def _put(self, key: str, bodies: dict[str, bytes]) -> None:
        with self._server.moving() as client, client.pipeline() as pipeline:
            pipeline.hset(key, mapping=bodies)  # type: ignore[arg-type]  # its keys are invariant
            # From anywhere: a server that has lost everything must not count to the same numbers.
            pipeline.set(VERSION, secrets.randbelow(_BEGINNINGS), nx=True)
            pipeline.incr(VERSION)
            pipeline.execute()

    def _item(self, body: bytes) -> Item:
        try:
            return decode_item(body)
        except InvalidItem as error:
            where = self._server.place
            message = f"{where}: an item can't be read: {error}: send the catalogue again"
            raise StoreUnavailable(message) from error
