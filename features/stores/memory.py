"""Everything in the memory of one process: for tests, trials and one-off jobs."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Final

from features.alias import Identified, Own
from features.clock import Clock
from features.errors import StoreUnavailable
from features.item import Item
from features.override import Override, with_overrides
from features.profile import History, Profile, Published
from features.profile_codec import encode
from features.stores.halves import read_history, read_profile
from features.stores.joining import folded, forgotten
from features.stores.ports import NOBODY, Asked, DeadLetter, Entry, NewPin, OverridesAt, Seen
from features.stores.pressure import MAX_DEPTH, full

PLACE: Final = "memory://"
"""Named where something can't be read."""

Halves = tuple[bytes | None, bytes | None]
"""History and published half of a profile, encoded."""


class Room:
    """The lock that one store's parts share, and whether the store is open."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._closed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be alone in the room.

        Raises:
            StoreUnavailable: The store is closed.
        """
        with self._lock:
            if self._closed:
                message = "memory:// is closed: open it again, which begins empty"
                raise StoreUnavailable(message)
            yield

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True


class MemoryPins:
    """The `Pins` in memory.

    Args:
        room: Shared with the profiles.
        clock: Tells what has expired.
    """

    def __init__(self, room: Room, clock: Clock) -> None:
        self._room = room
        self._clock = clock
        self._pins: dict[str, dict[tuple[str, str], tuple[bytes, float]]] = {}

    def of_send(self, customer: str, send: str) -> dict[str, bytes]:
        """Block → the pinned slate, encoded, of those that have not expired."""
        with self._room.held():
            now = self._clock.now().timestamp()
            pins = self._pins.get(customer, {})
            return {
                block: slate
                for (of, block), (slate, expires) in pins.items()
                if of == send and expires > now
            }

    def pin(self, customer: str, send: str, block: str, slate: bytes, seconds: int) -> bytes:
        """Keep a slate for so many seconds, unless one is pinned; returns the one that is."""
        return self.pin_many([NewPin(customer, send, block, slate, seconds)])[0]

    def pin_many(self, pins: Sequence[NewPin]) -> list[bytes]:
        """Keep each unless one is pinned in its place; returns those that are."""
        with self._room.held():
            return [self._pin(pin) for pin in pins]

    def forget(self, customer: str) -> bool:
        """Drop all pins of a customer; whether there were any."""
        with self._room.held():
            return self._pins.pop(customer, None) is not None

    def _pin(self, pin: NewPin) -> bytes:
        now = self._clock.now().timestamp()
        kept = self._pins.get(pin.customer, {})
        kept = {place: one for place, one in kept.items() if one[1] > now}
        until = now + pin.seconds
        slate, _ = kept.setdefault((pin.send, pin.block), (pin.slate, until))
        self._pins[pin.customer] = kept
        return slate


class MemoryProfiles:
    """The `ProfileStore` in memory.

    Args:
        room: Shared with the pins.
        pins: Are forgotten with a customer.
    """

    def __init__(self, room: Room, pins: MemoryPins) -> None:
        self._room = room
        self._pins = pins
        self._halves: dict[str, Halves] = {}
        self._own: dict[str, Own] = {}

    def get(self, customer: str) -> Profile | None:
        """The profile; None for a customer who is not known."""
        return self.get_many([customer]).get(customer)

    def get_many(self, customers: Sequence[str]) -> dict[str, Profile]:
        """The profiles of those who are known."""
        with self._room.held():
            known = {key: self._halves[key] for key in customers if key in self._halves}
        return {key: read_profile(PLACE, key, *halves) for key, halves in known.items()}

    def halves(self, customer: str) -> Halves:
        """History and published half as they are kept; None for one that is not."""
        with self._room.held():
            return self._halves.get(customer, (None, None))

    def fold(
        self, histories: Mapping[str, History], identified: Mapping[str, Identified] = NOBODY
    ) -> None:
        """Join each history into the one that is kept; all of the call or nothing."""
        with self._room.held():
            change = folded(self, histories, identified)
            self._show(change.seen, change.gone)
            self._own |= change.own

    def seen(self, customers: Collection[str]) -> Iterator[tuple[str, History]]:
        """Each of them in turn, and the history that answers."""
        return ((key, read_history(PLACE, key, self.halves(key)[0])) for key in customers)

    def own(self, customers: Collection[str]) -> dict[str, Own]:
        """What was told under each key, of those whom an `identify` names."""
        return {key: self._own[key] for key in customers if key in self._own}

    def aliases(self, customers: Collection[str]) -> set[str]:
        """The keys whose owner is one of these."""
        return {key for key, one in self._own.items() if one.identified.owner in customers}

    def publish(self, published: Mapping[str, Published]) -> None:
        """Replace the published half of each but aliases; histories stay as they are."""
        with self._room.held():
            self._halves |= {
                key: (self.halves(key)[0], encode(half))
                for key, half in published.items()
                if key not in self._own or self._own[key].identified.owner is None
            }

    def put_many(self, profiles: Iterable[Profile]) -> int:
        """Replace whole profiles, in bulk; returns how many."""
        new = {p.customer: (encode(p.history), encode(p.published)) for p in profiles}
        with self._room.held():
            self._halves |= new
        return len(new)

    def customers(self, after: str = "", limit: int = 1_000) -> list[str]:
        """The next customer keys in their order, after the given one."""
        with self._room.held():
            return list(islice((key for key in sorted(self._halves) if key > after), limit))

    def count(self) -> int:
        """How many profiles there are."""
        with self._room.held():
            return len(self._halves)

    def delete(self, customer: str) -> bool:
        """Forget a customer, aliases and pins included; whether there was anything to forget."""
        with self._room.held():
            keys, _, change = forgotten(self, customer)
            self._show(change.seen, change.gone)
            gone = [
                [self._pins.forget(key), self._halves.pop(key, None), self._own.pop(key, None)]
                for key in keys
            ]
            return any(map(any, gone))

    def ping(self) -> None:
        """Return if the store is open."""
        with self._room.held():
            return

    def _show(self, seen: Iterable[tuple[str, History]], gone: Iterable[str]) -> None:
        self._halves |= {key: (encode(one), self.halves(key)[1]) for key, one in seen}
        for key in gone:
            self._halves.pop(key, None)


class MemoryLookup:
    """The `Lookup` in memory.

    Args:
        profiles: Whose halves are seen.
        pins: Whose slates are seen.
    """

    def __init__(self, profiles: MemoryProfiles, pins: MemoryPins) -> None:
        self._profiles = profiles
        self._pins = pins

    def look(self, asked: Sequence[Asked]) -> list[Seen]:
        """What is kept, one for each that is asked."""
        return [
            Seen(
                *self._profiles.halves(customer),
                {} if send is None else self._pins.of_send(customer, send),
            )
            for customer, send in asked
        ]


class MemoryCatalogue:
    """The `Catalogue` in memory.

    Args:
        room: Shared with the profiles.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._items: dict[str, Item] = {}
        self._shelves: dict[str, tuple[str, ...]] = {}
        self._version = 0
        self._overrides = OverridesAt(0, ())

    def get_many(self, items: Sequence[str]) -> dict[str, Item]:
        """Those items that are known."""
        with self._room.held():
            return {key: self._items[key] for key in items if key in self._items}

    def put_many(self, items: Iterable[Item]) -> int:
        """Add or replace items; returns how many."""
        new = {item.id: item for item in items}
        with self._room.held():
            self._items |= new
            self._version += bool(new)
        return len(new)

    def all(self) -> Iterator[Item]:
        """Every item, in the order of ids."""
        with self._room.held():
            items = sorted(self._items.items())
        return iter([item for _, item in items])

    def count(self) -> int:
        """How many items there are."""
        with self._room.held():
            return len(self._items)

    def put_shelves(self, shelves: Mapping[str, Sequence[str]]) -> None:
        """Replace the named shelves; others stay."""
        with self._room.held():
            self._shelves |= {name: tuple(items) for name, items in shelves.items()}
            self._version += bool(shelves)

    def shelves(self) -> dict[str, tuple[str, ...]]:
        """All shelves."""
        with self._room.held():
            return dict(sorted(self._shelves.items()))

    def version(self) -> int:
        """A number that changes with every change of items or shelves."""
        with self._room.held():
            return self._version

    def overrides(self) -> OverridesAt:
        """All overrides, and the version that they are of."""
        with self._room.held():
            return self._overrides

    def overrides_version(self) -> int:
        """A number that changes with every change of overrides."""
        return self.overrides().version

    def put_overrides(self, overrides: Sequence[Override], now: datetime) -> None:
        """Add or replace overrides, and drop those that have ended by now; all or nothing."""
        with self._room.held():
            version, kept = self._overrides
            self._overrides = OverridesAt(version + 1, with_overrides(kept, overrides, now))

    def drop_overrides(self, names: Collection[str]) -> int:
        """Drop the overrides of these ids; returns how many there were."""
        with self._room.held():
            version, kept = self._overrides
            left = tuple(override for override in kept if override.id not in names)
            if len(left) < len(kept):
                self._overrides = OverridesAt(version + 1, left)
            return len(kept) - len(left)


class MemoryLog:
    """The `EventLog` in memory; nothing in it outlives the process.

    Args:
        clock: Dates dead letters.
        max_depth: Entries that were not trimmed yet, from which on appends are refused.
    """

    def __init__(self, clock: Clock, max_depth: int = MAX_DEPTH) -> None:
        self._room = Room()
        self._clock = clock
        self._max_depth = max_depth
        self._entries: list[Entry] = []
        self._last = 0
        self._places: dict[str, int] = {}
        self._dead: list[DeadLetter] = []
        self._buried = 0

    def append(self, bodies: Sequence[bytes]) -> None:
        """Keep all of them.

        Raises:
            Overloaded: There are `max_depth` entries already.
        """
        with self._room.held():
            if bodies and len(self._entries) + len(bodies) > self._max_depth:
                raise full(PLACE, len(self._entries), self._max_depth)
            start = self._last + 1
            self._entries += [Entry(place, body) for place, body in enumerate(bodies, start)]
            self._last += len(bodies)

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The entries after the reader's place, oldest first; taking does not move the place."""
        with self._room.held():
            place = self._places.setdefault(reader, 0)
            return [entry for entry in self._entries if entry.position > place][:limit]

    def commit(self, reader: str, position: int) -> None:
        """Move the reader's place behind this entry; a place never goes back."""
        with self._room.held():
            self._places[reader] = max(position, self._places.get(reader, 0))

    def depth(self, reader: str) -> int:
        """How many entries the reader has not committed."""
        with self._room.held():
            place = self._places.get(reader, 0)
            return sum(entry.position > place for entry in self._entries)

    def trim(self) -> int:
        """Drop what every known reader has committed; returns how many entries."""
        with self._room.held():
            passed = min(self._places.values(), default=0)
            kept = [entry for entry in self._entries if entry.position > passed]
            dropped = len(self._entries) - len(kept)
            self._entries = kept
            return dropped

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters."""
        with self._room.held():
            at = int(self._clock.now().timestamp())
            known = {(letter.body, letter.source) for letter in self._dead}
            for body in bodies:
                if (body, source) in known:
                    continue
                self._buried += 1
                letter = DeadLetter(id=self._buried, body=body, reason=reason, source=source, at=at)
                self._dead.append(letter)
                known.add((body, source))

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        with self._room.held():
            return [letter for letter in self._dead if letter.id > after][:limit]

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        with self._room.held():
            self._dead = [letter for letter in self._dead if letter.id not in ids]

    def close(self) -> None:
        """Let nobody in any more."""
        self._room.close()
