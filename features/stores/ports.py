"""The ports of everything that is kept outside a process, as small as their users allow.

Every method may raise `StoreUnavailable`, and a closed store does. All are safe to call from
several threads. A backend is one file beside this one; `opening.py` finds it by the URL's scheme.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import msgspec

from features.alias import Identified
from features.item import Item
from features.override import Override
from features.profile import History, Profile, Published

NOBODY: Final[Mapping[str, Identified]] = MappingProxyType({})
"""No `identify` event said anything of anybody."""


class ProfileStore(Protocol):
    """Profiles by customer key; histories and published halves have one kind of writer each.

    An alias (`features.alias`) has no profile of its own: what it did is in its owner's.
    """

    def get(self, customer: str) -> Profile | None:
        """The profile in one round trip; None for a customer who is not known."""
        ...

    def get_many(self, customers: Sequence[str]) -> dict[str, Profile]:
        """The profiles of those who are known, in as few round trips as the backend allows."""
        ...

    def fold(
        self, histories: Mapping[str, History], identified: Mapping[str, Identified] = NOBODY
    ) -> None:
        """Join each history into the one that is kept; all of the call or nothing.

        Args:
            histories: Customer key → what was done under it, whosever alias it is.
            identified: Customer key → what was said of whose alias it is.
        """
        ...

    def publish(self, published: Mapping[str, Published]) -> None:
        """Replace the published half of each but aliases; histories stay as they are."""
        ...

    def put_many(self, profiles: Iterable[Profile]) -> int:
        """Replace whole profiles, in bulk; returns how many.

        For customers whom no `identify` event names.
        """
        ...

    def customers(self, after: str = "", limit: int = 1_000) -> list[str]:
        """The next customer keys in their order, after the given one."""
        ...

    def count(self) -> int:
        """How many profiles there are."""
        ...

    def delete(self, customer: str) -> bool:
        """Forget a customer, aliases and pins included; whether there was anything to forget.

        An alias that is forgotten takes what it did out of its owner's history.
        """
        ...

    def ping(self) -> None:
        """Return if the store answers."""
        ...


class OverridesAt(NamedTuple):
    """Overrides as they are kept.

    Attributes:
        version: Changes with every change of them.
        overrides: In the order of their ids; some may have ended.
    """

    version: int
    overrides: tuple[Override, ...]


class Catalogue(Protocol):
    """Items by id, what persons decided about them, and shelves.

    Shelves are named, ordered lists of item ids that the pipeline writes.
    """

    def get_many(self, items: Sequence[str]) -> dict[str, Item]:
        """Those items that are known."""
        ...

    def put_many(self, items: Iterable[Item]) -> int:
        """Add or replace items; returns how many."""
        ...

    def all(self) -> Iterable[Item]:
        """Every item, in the order of ids."""
        ...

    def count(self) -> int:
        """How many items there are."""
        ...

    def put_shelves(self, shelves: Mapping[str, Sequence[str]]) -> None:
        """Replace the named shelves; others stay."""
        ...

    def shelves(self) -> dict[str, tuple[str, ...]]:
        """All shelves: `popular`, and `segment:NAME` for each segment."""
        ...

    def version(self) -> int:
        """A number that changes with every change of items or shelves."""
        ...

    def overrides(self) -> OverridesAt:
        """All overrides that were put and not dropped, and the version that they are of."""
        ...

    def overrides_version(self) -> int:
        """A number that changes with every change of overrides; 0 where there was none yet."""
        ...

    def put_overrides(self, overrides: Sequence[Override], now: datetime) -> None:
        """Add or replace overrides, and drop those that have ended by now; all or nothing.

        Raises:
            TooLarge: There would be more than `features.override.MAX_OVERRIDES`.
        """
        ...

    def drop_overrides(self, names: Collection[str]) -> int:
        """Drop the overrides of these ids; returns how many there were."""
        ...


class NewPin(NamedTuple):
    """A slate to keep.

    Attributes:
        customer: Customer key.
        send: The e-mail's id.
        block: The place in it.
        slate: Encoded.
        seconds: How long to keep it.
    """

    customer: str
    send: str
    block: str
    slate: bytes
    seconds: int


class Pins(Protocol):
    """Slates that were answered, so that the same send gets the same slate again."""

    def of_send(self, customer: str, send: str) -> dict[str, bytes]:
        """Block → the pinned slate, encoded, of those that have not expired."""
        ...

    def pin(self, customer: str, send: str, block: str, slate: bytes, seconds: int) -> bytes:
        """Keep a slate for so many seconds, unless one is pinned; returns the one that is."""
        ...

    def pin_many(self, pins: Sequence[NewPin]) -> list[bytes]:
        """Keep each unless one is pinned in its place, in one round trip; returns those that are.

        Of several for one place in the same call the first is kept.
        """
        ...


class Asked(NamedTuple):
    """What an answer needs to know of.

    Attributes:
        customer: Customer key.
        send: The e-mail's id; None where no pins are asked for.
    """

    customer: str
    send: str | None


class Seen(NamedTuple):
    """What the stores have, as they keep it (`features.profile`, encoded).

    Attributes:
        history: None where none is kept.
        published: None where none is kept.
        pins: Block → the pinned slate, encoded, of those that have not expired; None where pins
            alone can't be read just now.
    """

    history: bytes | None
    published: bytes | None
    pins: dict[str, bytes] | None


class Lookup(Protocol):
    """Everything that some answers need of the stores, in as few round trips as can be."""

    def look(self, asked: Sequence[Asked]) -> list[Seen]:
        """What is kept, one for each that is asked; on Redis in one round trip."""
        ...


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event in the log.

    Attributes:
        position: Its place; grows along what a reader takes. On a log of several partitions it
            counts what this process took, and means nothing to another.
        body: The event, encoded (`features.stores.codec`).
        accepted: When it was appended, seconds since 1970; None where the log did not note it.
    """

    position: int
    body: bytes
    accepted: float | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that could not be read as an event, kept until somebody repairs them.

    Attributes:
        id: Number of the letter.
        body: The bytes as they came.
        reason: Why they could not be read.
        source: Who sent them.
        at: When, seconds since 1970.
    """

    id: int
    body: bytes
    reason: str
    source: str
    at: int


class EventLog(Protocol):
    """The durable queue between intake and profiles. Each named reader has its own place in it.

    Events of one customer stay in the order in which they were appended. A log on a server has
    partitions: several processes may take for one reader then, and each gets its part of them.
    """

    def append(self, bodies: Sequence[bytes]) -> None:
        """Return once all of them are durable.

        Where it raises, none was kept, or it is not known which: the same may be appended again,
        for an event that comes twice changes nothing.

        Raises:
            Overloaded: More than a stated number of entries wait in the log: nothing was kept.
        """
        ...

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The entries after the reader's place, oldest first; taking does not move the place.

        The first taking makes the reader known: from then on `trim` waits for it.
        """
        ...

    def commit(self, reader: str, position: int) -> None:
        """Move the reader's place behind all that it took up to this entry; it never goes back."""
        ...

    def depth(self, reader: str) -> int:
        """How many entries the reader has not committed."""
        ...

    def trim(self) -> int:
        """Drop what every known reader has committed; returns how many entries."""
        ...

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters; durable on return.

        The same bytes from the same source are kept once, however often they are buried.
        """
        ...

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        ...

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        ...

    def close(self) -> None:
        """Let go of files and threads, after what is being appended; idempotent."""
        ...
