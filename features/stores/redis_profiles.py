"""Profiles in Redis or Valkey.

Keys: `homing:history:CUSTOMER` and `homing:published:CUSTOMER`, read together in one round trip,
and the sorted set `homing:customers`, which puts customer keys in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, cast

from features.alias import Identified
from features.profile import History, Profile, Published
from features.profile_codec import encode
from features.stores.halves import chunks, read_own, read_profile
from features.stores.joining import Change, folded, forgotten
from features.stores.ports import NOBODY
from features.stores.redis import Pipeline, RedisServer, history_key, published_key, values
from features.stores.redis_aliases import RedisTold, aliases_key, keep_own, own_key, watched_keys

CHUNK: Final = 500
"""Profiles in one message of a bulk write."""
CUSTOMERS: Final = "homing:customers"


class RedisProfiles:
    """The `ProfileStore` on Redis.

    Args:
        server: Where.
        forget_pins: Drops a customer's pins; whether there were any.
    """

    def __init__(self, server: RedisServer, forget_pins: Callable[[str], bool]) -> None:
        self._server = server
        self._forget_pins = forget_pins

    def get(self, customer: str) -> Profile | None:
        """The profile in one round trip; None for a customer who is not known."""
        with self._server.asking() as client:
            history, published = values(client, [history_key(customer), published_key(customer)])
        return self._profile(customer, history, published)

    def get_many(self, customers: Sequence[str]) -> dict[str, Profile]:
        """The profiles of those who are known, `CHUNK` in a round trip."""
        found: dict[str, Profile] = {}
        for chunk in chunks(customers, CHUNK):
            keys = [
                key
                for customer in chunk
                for key in (history_key(customer), published_key(customer))
            ]
            with self._server.moving() as client:
                halves = iter(values(client, keys))
            for customer in chunk:
                profile = self._profile(customer, next(halves), next(halves))
                if profile is not None:
                    found[customer] = profile
        return found

    def fold(
        self, histories: Mapping[str, History], identified: Mapping[str, Identified] = NOBODY
    ) -> None:
        """Join each history into the one that is kept; all of the call or nothing."""
        customers = list(histories.keys() | identified.keys())
        if not customers:
            return

        def step(pipeline: Pipeline) -> None:
            told = RedisTold(self._server.place, pipeline, customers)
            change = folded(told, histories, identified)
            pipeline.multi()
            keep_own(pipeline, change.own, change.owners)
            _show(pipeline, change)

        self._server.change(watched_keys(customers), step)

    def publish(self, published: Mapping[str, Published]) -> None:
        """Replace the published half of each but aliases; histories stay as they are."""
        for chunk in chunks(published.items(), CHUNK):
            halves = {published_key(customer): encode(half) for customer, half in chunk}
            customers = [customer for customer, _ in chunk]
            self._put(halves, customers)
            # Afterwards: one who becomes an alias meanwhile must not keep it.
            self._drop_aliases(customers)

    def put_many(self, profiles: Iterable[Profile]) -> int:
        """Replace whole profiles, in bulk; returns how many."""
        count = 0
        for chunk in chunks(profiles, CHUNK):
            halves = {history_key(p.customer): encode(p.history) for p in chunk}
            halves |= {published_key(p.customer): encode(p.published) for p in chunk}
            self._put(halves, [p.customer for p in chunk])
            count += len(chunk)
        return count

    def customers(self, after: str = "", limit: int = 1_000) -> list[str]:
        """The next customer keys in their order, after the given one."""
        start = f"({after}" if after else "-"
        with self._server.moving() as client:
            found = client.zrangebylex(CUSTOMERS, start, "+", start=0, num=limit)
        return [key.decode() for key in cast("list[bytes]", found)]

    def count(self) -> int:
        """How many profiles there are."""
        with self._server.moving() as client:
            return client.zcard(CUSTOMERS)

    def delete(self, customer: str) -> bool:
        """Forget a customer, aliases and pins included; whether there was anything to forget."""
        pinned: list[bool] = []

        def step(pipeline: Pipeline) -> None:
            told = RedisTold(self._server.place, pipeline, [customer])
            keys, owner, change = forgotten(told, customer)
            pinned.extend(map(self._forget_pins, sorted(keys)))
            pipeline.multi()
            _show(pipeline, change)
            _drop(pipeline, keys)
            pipeline.delete(*map(own_key, keys), *map(aliases_key, keys))
            if owner is not None:
                pipeline.srem(aliases_key(owner), customer)

        gone = self._server.change(watched_keys([customer]), step)
        return any(gone) or any(pinned)

    def ping(self) -> None:
        """Return if the server answers."""
        with self._server.asking() as client:
            client.ping()

    def _put(self, halves: dict[str, bytes], customers: Sequence[str]) -> None:
        with self._server.moving() as client, client.pipeline() as pipeline:
            pipeline.mset(halves)
            pipeline.zadd(CUSTOMERS, dict.fromkeys(customers, 0))
            pipeline.execute()

    def _drop_aliases(self, customers: Sequence[str]) -> None:
        with self._server.moving() as client:
            told = zip(customers, values(client, list(map(own_key, customers))), strict=True)
            known = {key: body for key, body in told if body is not None}
            owned = [
                key
                for key, body in known.items()
                if read_own(self._server.place, key, body).identified.owner is not None
            ]
            if owned:
                with client.pipeline() as pipeline:
                    _drop(pipeline, owned)
                    pipeline.execute()

    def _profile(
        self, customer: str, history: bytes | None, published: bytes | None
    ) -> Profile | None:
        if history is None and published is None:
            return None
        return read_profile(self._server.place, customer, history, published)


def _show(pipeline: Pipeline, change: Change) -> None:
    seen = {key: encode(one) for key, one in change.seen}
    if seen:
        pipeline.mset({history_key(key): body for key, body in seen.items()})
        pipeline.zadd(CUSTOMERS, dict.fromkeys(seen, 0))
    _drop(pipeline, change.gone)


def _drop(pipeline: Pipeline, customers: Collection[str]) -> None:
    if customers:
        pipeline.delete(*map(history_key, customers), *map(published_key, customers))
        pipeline.zrem(CUSTOMERS, *customers)
