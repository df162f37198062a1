"""What a reader of a network log has taken and not committed yet, in the order of taking.

Such a log has several partitions, each with places of its own; `Entry.position` numbers the
entries as one process took them, so that one number stands for a place in each partition.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import NamedTuple
from zlib import crc32

from features.stores.codec import customer_of
from features.stores.ports import Entry


class Taken(NamedTuple):
    """One entry that was taken.

    Attributes:
        partition: Where it lies.
        place: Its place there; grows along the partition.
        entry: As the reader sees it.
    """

    partition: int
    place: int
    entry: Entry


class Held:
    """Entries of one reader. Whoever uses one holds its `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._taken: list[Taken] = []
        self._last = 0

    def __len__(self) -> int:
        """How many entries are held."""
        return len(self._taken)

    def add(self, partition: int, entries: Iterable[tuple[int, bytes]]) -> None:
        """Hold more of a partition: place and body of each, in their order there."""
        for place, body in entries:
            self._last += 1
            self._taken.append(Taken(partition, place, Entry(self._last, body)))

    def first(self, limit: int) -> list[Entry]:
        """The oldest."""
        return [taken.entry for taken in self._taken[:limit]]

    def ends(self) -> dict[int, int]:
        """Partition → the last place in it that is held."""
        return {taken.partition: taken.place for taken in self._taken}

    def places(self, partition: int) -> list[int]:
        """The places in a partition that are held."""
        return [taken.place for taken in self._taken if taken.partition == partition]

    def up_to(self, position: int) -> dict[int, int]:
        """Partition → the last place in it that is behind nothing taken after the position."""
        passed = takewhile(lambda taken: taken.entry.position <= position, self._taken)
        return {taken.partition: taken.place for taken in passed}

    def drop(self, position: int) -> None:
        """Let go of the entries up to this position, which are committed."""
        self._taken = [taken for taken in self._taken if taken.entry.position > position]

    def keep(self, partitions: Iterable[int]) -> None:
        """Let go of what lies in other partitions: another process reads them now."""
        kept = set(partitions)
        self._taken = [taken for taken in self._taken if taken.partition in kept]


def partition_of(body: bytes, partitions: int) -> int:
    """Where an event goes: all of one customer to one partition, so that they stay in order."""
    return crc32(customer_of(body).encode()) % partitions


def shares(waiting: Mapping[int, int], limit: int) -> dict[int, int]:
    """How many entries to take of each partition, so that a long one leaves room for the others.

    Args:
        waiting: Partition → how many wait there.
        limit: Of all together.

    Returns:
        Partition → how many, of those of which any are taken.
    """
    found = {}
    shortest_first = sorted(waiting, key=lambda partition: waiting[partition])
    for done, partition in enumerate(shortest_first):
        left = len(shortest_first) - done
        share = min(waiting[partition], -(-limit // left))
        limit -= share
        if share:
            found[partition] = share
    return found
