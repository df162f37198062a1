"""Items and shelves in Redis or Valkey.

Keys: the hashes `homing:items` and `homing:shelves`, and the counter `homing:catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec

from features.errors import InvalidItem, StoreUnavailable
from features.item import Item
from features.stores.codec import decode_item, encode_item
from features.stores.halves import chunks

if TYPE_CHECKING:
    from features.stores.redis import RedisServer

CHUNK: Final = 1_000
"""Items in one message of a bulk write."""
ITEMS: Final = "homing:items"
SHELVES: Final = "homing:shelves"
VERSION: Final = "homing:catalogue"


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

    def _put(self, key: str, bodies: dict[str, bytes]) -> None:
        with self._server.moving() as client, client.pipeline() as pipeline:
            pipeline.hset(key, mapping=bodies)  # type: ignore[arg-type]  # its keys are invariant
            pipeline.incr(VERSION)
            pipeline.execute()

    def _item(self, body: bytes) -> Item:
        try:
            return decode_item(body)
        except InvalidItem as error:
            where = self._server.place
            message = f"{where}: an item can't be read: {error}: send the catalogue again"
            raise StoreUnavailable(message) from error
