"""When each entry of an event log was accepted, whichever log it is.

Not every log keeps a time with an entry, and those that do keep the time of their own server. So
the time stands before the body: a byte that begins no MessagePack (`0xc1` is never used), then
microseconds since 1970 in eight bytes. A body that an earlier version appended has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from features.clock import Clock
from features.stores.codec import dated, undated
from features.stores.ports import DeadLetter, Entry, EventLog


class DatedLog:
    """An `EventLog` in front of another, whose entries know when they were accepted.

    Args:
        log: Keeps the entries.
        clock: Tells when they come.
    """

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def append(self, bodies: Sequence[bytes]) -> None:
        """Return once all of them are durable, with the time at which they came.

        Raises:
            Overloaded: As the log behind it.
        """
        now = round(self._clock.now().timestamp() * 1e6)
        self._log.append([dated(body, now) for body in bodies])

    def take(self, reader: str, limit: int) -> list[Entry]:
        """The entries after the reader's place, oldest first; taking does not move the place."""
        taken = self._log.take(reader, limit)
        return [Entry(entry.position, *undated(entry.body)) for entry in taken]

    def commit(self, reader: str, position: int) -> None:
        """Move the reader's place behind all that it took up to this entry."""
        self._log.commit(reader, position)

    def depth(self, reader: str) -> int:
        """How many entries the reader has not committed."""
        return self._log.depth(reader)

    def trim(self) -> int:
        """Drop what every known reader has committed; returns how many entries."""
        return self._log.trim()

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters, just as they are."""
        self._log.bury(bodies, reason, source)

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        return self._log.dead_letters(limit, after)

    def remove_dead(self, ids: Sequence[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        self._log.remove_dead(ids)

    def close(self) -> None:
        """Close the log behind it."""
        self._log.close()
