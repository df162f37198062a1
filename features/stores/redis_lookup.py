"""What answers need of Redis or Valkey, as it is kept there: one round trip, however many ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from features.stores.ports import Asked, Seen
from features.stores.redis import RedisServer, history_key, published_key
from features.stores.redis_pins import Hash, Time, pins_key, unexpired


class RedisLookup:
    """The `Lookup` on Redis.

    Args:
        server: Where.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def look(self, asked: Sequence[Asked]) -> list[Seen]:
        """What is kept, one for each that is asked."""
        if not asked:
            return []
        customers = list(dict.fromkeys(one.customer for one in asked))
        sends = list(dict.fromkeys(one for one in asked if one.send is not None))
        halves, time, hashes = self._read(customers, sends)
        of_customer = dict(zip(customers, zip(halves[::2], halves[1::2], strict=True), strict=True))
        pins = {one: unexpired(time, kept) for one, kept in zip(sends, hashes, strict=True)}
        return [Seen(*of_customer[one.customer], pins.get(one, {})) for one in asked]

    def _read(
        self, customers: Sequence[str], sends: Sequence[Asked]
    ) -> tuple[list[bytes | None], Time, list[Hash]]:
        """Both halves of each customer in turn, the server's time, and the pins of each send."""
        keys = [key for customer in customers for key in _halves(customer)]
        with self._server.asking() as client, client.pipeline(transaction=False) as pipeline:
            pipeline.mget(keys)
            pipeline.time()
            for customer, send in sends:
                pipeline.hgetall(pins_key(customer, cast("str", send)))
            halves, time, *hashes = pipeline.execute()
        return halves, time, hashes


def _halves(customer: str) -> tuple[str, str]:
    return history_key(customer), published_key(customer)
