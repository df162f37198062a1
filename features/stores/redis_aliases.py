"""What was told under customer keys that `identify` events name, in Redis or Valkey.

Keys: `homing:own:CUSTOMER`, and the set `homing:aliases:CUSTOMER` of those whose owner it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import cast

from features.alias import Own, encode_own
from features.profile import History
from features.stores.halves import read_history, read_own
from features.stores.redis import Pipeline, history_key


class RedisTold:
    """The `Told` of one change: what is read is watched.

    Args:
        place: Of the server, for messages.
        pipeline: Of the change, before `multi`.
        customers: Whose keys `watched_keys` were watched; they are read at once.
    """

    def __init__(self, place: str, pipeline: Pipeline, customers: Collection[str]) -> None:
        self._place = place
        self._pipeline = pipeline
        self._kept: dict[str, tuple[bytes | None, bytes | None]] = {}
        self._read(customers)

    def seen(self, customers: Collection[str]) -> Iterator[tuple[str, History]]:
        """Each of them in turn, and the history that answers."""
        found = self._all(customers)
        return ((key, read_history(self._place, key, body)) for key, (body, _) in found)

    def own(self, customers: Collection[str]) -> dict[str, Own]:
        """What was told under each key, of those whom an `identify` names."""
        found = {key: body for key, (_, body) in self._all(customers) if body is not None}
        return {key: read_own(self._place, key, body) for key, body in found.items()}

    def aliases(self, customers: Collection[str]) -> set[str]:
        """The keys whose owner is one of these."""
        found: set[bytes] = set()
        for key in map(aliases_key, customers):
            self._pipeline.watch(key)  # type: ignore[no-untyped-call]  # as the library has it
            found |= cast("set[bytes]", self._pipeline.smembers(key))
        return {key.decode() for key in found}

    def _all(
        self, customers: Collection[str]
    ) -> list[tuple[str, tuple[bytes | None, bytes | None]]]:
        """Each of them, with the history that answers and what was told, encoded."""
        further = [key for key in customers if key not in self._kept]
        if further:
            self._pipeline.watch(*watched_keys(further))  # type: ignore[no-untyped-call]  # as above
            self._read(further)
        return [(key, self._kept[key]) for key in customers]

    def _read(self, customers: Collection[str]) -> None:
        halves = iter(cast("list[bytes | None]", self._pipeline.mget(watched_keys(customers))))
        self._kept |= {key: (next(halves), next(halves)) for key in customers}


def watched_keys(customers: Collection[str]) -> list[str]:
    """What a change of these customers depends on."""
    return [key for customer in customers for key in (history_key(customer), own_key(customer))]


def keep_own(
    pipeline: Pipeline, own: Mapping[str, Own], owners: Mapping[str, tuple[str | None, str | None]]
) -> None:
    """Say what to write, after `multi`, of `Change.own` and `Change.owners`."""
    for key, one in own.items():
        pipeline.set(own_key(key), encode_own(one))
    for key, (was, now) in owners.items():
        if was is not None:
            pipeline.srem(aliases_key(was), key)
        if now is not None:
            pipeline.sadd(aliases_key(now), key)


def own_key(customer: str) -> str:
    """Where it is kept what was told under a key."""
    return f"homing:own:{customer}"


def aliases_key(customer: str) -> str:
    """Where the keys are kept whose owner it is."""
    return f"homing:aliases:{customer}"
