"""What becomes of deliveries that are kept together: read, buried, appended, put and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from features.bursts import Bursts
from features.errors import HomingError
from features.identity import CustomerKeys
from features.letters import stocked
from features.sources.again import Reader
from features.sources.source import Delivery, Received, Unreadable
from features.stores.codec import encode_event
from features.stores.ports import NewPin
from serving.parts import Parts

WEIGHS: Final = 4_096
"""Bytes that a delivery takes besides its body."""

_log = structlog.get_logger(__name__)


class Taken(NamedTuple):
    """What became of a delivery.

    Attributes:
        accepted: Events that are durable now.
        unreadable: Parts that are dead letters now.
        repeated: Whether it had come before.
    """

    accepted: int = 0
    unreadable: int = 0
    repeated: bool = False


class Waiting(NamedTuple):
    """A delivery on its way.

    Attributes:
        source: Whose it is.
        origin: Where its dead letters say that they come from.
        delivery: It.
        now: When it came, aware.
        key: The pin that remembers it; None where its events' ids do.
        done: Gets what became of it.
    """

    source: str
    origin: str
    delivery: Delivery
    now: datetime
    key: NewPin | None
    done: asyncio.Future[Taken]

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.delivery.body) + WEIGHS


class Keeper:
    """Keeps deliveries in one thread, a group at a time.

    Args:
        parts: Where things are kept and counted.
        customers: Turns outside ids into keys.
        readers: Source → what reads its deliveries.
    """

    def __init__(
        self, parts: Parts, customers: CustomerKeys, readers: Mapping[str, Reader]
    ) -> None:
        self._parts = parts
        self._customers = customers
        self._readers = readers
        self._bursts = Bursts()

    def keep(self, group: Sequence[Waiting]) -> list[Taken | HomingError]:
        """Keep a group; what became of each, in its order."""
        outcomes: dict[int, Taken | HomingError] = {}
        received: dict[int, Received] = {}
        again = _again(group)
        for place, waiting in enumerate(group):
            if place in again:
                continue
            told = self._told(waiting)
            if isinstance(told, Received):
                received[place] = told
            else:
                outcomes[place] = told
        try:
            self._bury(group, received)
            self._append(received.values())
        except HomingError as error:
            outcomes |= dict.fromkeys(received, error)
        else:
            outcomes |= {place: self._put(said) for place, said in received.items()}
            self._remember(group, outcomes)
        for place, first in again.items():
            # It is told that it came before only where that is kept now.
            kept = isinstance(outcomes[first], Taken)
            outcomes[place] = Taken(repeated=True) if kept else outcomes[first]
        return [outcomes[place] for place in range(len(group))]

    def _told(self, waiting: Waiting) -> Received | Taken | HomingError:
        """What a delivery says; or that it came before; or that nobody can know."""
        try:
            seen = waiting.key is not None and self._knows(waiting.key)
        except HomingError as error:
            return error
        return Taken(repeated=True) if seen else self._read(waiting)

    def _knows(self, key: NewPin) -> bool:
        return bool(self._parts.stores.pins.of_send(key.customer, key.send))

    def _read(self, waiting: Waiting) -> Received:
        try:
            return self._readers[waiting.source](waiting.delivery, self._customers, waiting.now)
        except Exception:  # noqa: BLE001 - a source never raises; if one does, nothing is lost
            self._parts.metrics.internal.inc()
            _log.exception("a source could not read", source=waiting.source)
            reason = "a fault of its reader, which the log shows; report it"
            return Received(unreadable=[Unreadable(waiting.delivery.body, reason)])

    def _bury(self, group: Sequence[Waiting], received: Mapping[int, Received]) -> None:
        """Before events are appended: a letter that comes again is kept once."""
        letters: dict[tuple[str, str], list[bytes]] = {}
        for place, said in received.items():
            for letter in said.unreadable:
                key = letter.reason, group[place].origin
                letters.setdefault(key, []).append(letter.body)
        for (reason, origin), bodies in letters.items():
            self._parts.log.bury(bodies, reason, origin)

    def _append(self, received: Iterable[Received]) -> None:
        events = self._bursts.marked([event for said in received for event in said.events])
        if events:
            self._parts.log.append([encode_event(event) for event in events])

    def _put(self, said: Received) -> Taken | HomingError:
        """Put what a delivery says of items into the catalogue; its events are durable by now."""
        try:
            items = stocked(said, lambda: self._parts.stores.catalogue)
            if items:
                self._parts.catalogue.put(items)
        except HomingError as error:
            return error
        return Taken(len(said.events), len(said.unreadable))

    def _remember(self, group: Sequence[Waiting], outcomes: dict[int, Taken | HomingError]) -> None:
        """Remember what must not come twice, of what is wholly kept."""
        keys: dict[int, NewPin] = {}
        for place, outcome in outcomes.items():
            key = group[place].key
            if key is not None and isinstance(outcome, Taken) and not outcome.repeated:
                keys[place] = key
        if not keys:
            return
        try:
            self._parts.stores.pins.pin_many(list(keys.values()))
        except HomingError as error:
            outcomes |= dict.fromkeys(keys, error)


def _again(group: Sequence[Waiting]) -> dict[int, int]:
    """Place of each delivery that has the key of one before → the place of that one."""
    firsts: dict[NewPin, int] = {}
    found: dict[int, int] = {}
    for place, waiting in enumerate(group):
        if waiting.key is not None and firsts.setdefault(waiting.key, place) != place:
            found[place] = firsts[waiting.key]
    return found
