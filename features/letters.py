"""Dead letters, looked at, repaired and sent again; nothing is dropped unasked.

A letter of the ingest loop is an event as the log keeps it; it goes back into the log byte for
byte. One of a source is a part of what was delivered; the source reads it once more, and what it
says goes into the log and the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from features.clock import Clock
from features.errors import InputError, NotFound
from features.event import check_event
from features.identity import CustomerKeys
from features.item import Item
from features.sources.again import FEED, Reader, name_of, read_again
from features.sources.opening import SOURCES, not_set_up
from features.sources.source import Received
from features.stores.codec import decode_event, encode_event
from features.stores.ports import Catalogue, DeadLetter, EventLog

PAGE: Final = 500
"""Letters that are read at once."""
MOST_ID: Final = 2**63 - 1


class Wanted(NamedTuple):
    """Which letters; all of them when nothing is told.

    Attributes:
        ids: Their numbers.
        source: The name of who sent them.
        reason: A part of the reason; capitals or not.
        since: Buried then or later, aware.
        until: Buried before, aware.
    """

    ids: tuple[int, ...] = ()
    source: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Whether it is one of these."""
        return (
            (not self.ids or letter.id in self.ids)
            and self.source in {"", name_of(letter.source)}
            and self.reason.casefold() in letter.reason.casefold()
            and (self.since is None or letter.at >= self.since.timestamp())
            and (self.until is None or letter.at < self.until.timestamp())
        )


class Said(NamedTuple):
    """What a letter says when it is read now.

    Attributes:
        reason: Why it can't be sent again, with the cure; empty when it can.
        entries: For the log.
        items: For the catalogue.
    """

    reason: str = ""
    entries: Sequence[bytes] = ()
    items: Sequence[Item] = ()


class Letters:
    """The dead letters of a log.

    Args:
        log: Where they are.
        readers: Source → what reads its deliveries, of those that are set up.
        keys: Gives what turns outside ids into customer keys.
        catalogue: Gives what knows the items that a delivery calls gone.
        clock: Tells which events claim to come from the future.
        put_items: Keeps items; the catalogue does without one.
    """

    def __init__(
        self,
        log: EventLog,
        readers: Mapping[str, Reader],
        keys: Callable[[], CustomerKeys],
        catalogue: Callable[[], Catalogue],
        clock: Clock,
        put_items: Callable[[Sequence[Item]], object] | None = None,
    ) -> None:
        self._log = log
        self._readers = readers
        self._keys = keys
        self._catalogue = catalogue
        self._clock = clock
        self._put_items = put_items or (lambda items: catalogue().put_many(items))

    def find(self, wanted: Wanted, limit: int, after: int = 0) -> Iterator[DeadLetter]:
        """The wanted letters, the oldest first, at most so many.

        Raises:
            StoreUnavailable: The log can't be read.
        """
        while limit > 0:
            page = self._log.dead_letters(PAGE, after)
            if not page:
                return
            after = page[-1].id
            for letter in page:
                if limit > 0 and wanted.fits(letter):
                    limit -= 1
                    yield letter

    def one(self, number: int) -> DeadLetter:
        """The letter of that number.

        Raises:
            NotFound: There is none.
            StoreUnavailable: The log can't be read.
        """
        found = self._log.dead_letters(1, number - 1) if 0 < number <= MOST_ID else []
        if not found or found[0].id != number:
            reason, cure = "no such dead letter", "see `homing replay` for those there are"
            raise NotFound.of(number, field="id", reason=reason, cure=cure)
        return found[0]

    def read(self, letter: DeadLetter, body: bytes | None = None) -> Said:
        """What a letter says now.

        Args:
            letter: It.
            body: What was made of its bytes; None for those that came.
        """
        body = letter.body if body is None else body
        name = name_of(letter.source)
        reader = self._readers.get(name)
        if reader is None:
            return self._unknown(name, body)
        at = datetime.fromtimestamp(letter.at, UTC)
        received = read_again(reader, letter.source, body, self._keys(), at)
        if received.unreadable:
            return Said(reason=received.unreadable[0].reason)
        if not (received.events or received.items or received.gone):
            return Said(reason="it says nothing that is kept: drop it")
        entries = [encode_event(event) for event in received.events]
        return Said(entries=entries, items=stocked(received, self._catalogue))

    def send(self, letter: DeadLetter, said: Said) -> None:
        """Keep what a letter says, then drop the letter.

        Raises:
            StoreUnavailable: Not all of it could be kept; sending it again changes nothing.
        """
        if said.entries:
            self._log.append(said.entries)
        if said.items:
            self._put_items(said.items)
        self._log.remove_dead([letter.id])

    def drop(self, letters: Sequence[DeadLetter]) -> None:
        """Give letters up.

        Raises:
            StoreUnavailable: The log can't be written.
        """
        self._log.remove_dead([letter.id for letter in letters])

    def _unknown(self, name: str, body: bytes) -> Said:
        """What a letter says that no reader knows: of the ingest loop it is an event."""
        if name in SOURCES:
            return Said(reason=not_set_up(name))
        if name.startswith(FEED):
            cure = "run `homing replay` where HOMING_FOLLOWS_FOLDER has its file"
            return Said(reason=f"its feed is not described here: {cure}")
        return self._event(body)

    def _event(self, body: bytes) -> Said:
        try:
            problem = check_event(decode_event(body), self._clock.now())
        except InputError as error:
            return Said(reason=str(error))
        return Said(entries=[body]) if problem is None else Said(reason=str(problem))


def stocked(received: Received, catalogue: Callable[[], Catalogue]) -> list[Item]:
    """What a delivery says of items: those that are gone stay known, and are out of stock.

    Raises:
        StoreUnavailable: The catalogue can't be read.
    """
    items = list(received.items)
    if received.gone:
        known = catalogue().get_many(received.gone)
        items += [msgspec.structs.replace(item, in_stock=False) for item in known.values()]
    return items
