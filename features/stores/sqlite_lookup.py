"""What answers need of the two SQLite files, as they keep it: a statement a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from features.clock import Clock
from features.errors import StoreUnavailable
from features.stores.halves import chunks
from features.stores.ports import Asked, Seen
from features.stores.sqlite_file import SqliteFile
from features.stores.sqlite_pins import milliseconds

_HALVES: Final = "SELECT history, published FROM profiles WHERE customer = ?"
_PINS: Final = "SELECT block, slate FROM pins WHERE customer = ? AND send = ? AND expires > ?"
_PINS_OF_MANY: Final = (
    "SELECT customer, send, block, slate FROM json_each(?) AS asked"
    " CROSS JOIN pins ON customer = asked.value ->> 0 AND send = asked.value ->> 1"
    " WHERE expires > ?"
)
AT_ONCE: Final = 64
"""Customers in one statement."""
_SIZES: Final = (2, 4, 8, 16, 32, AT_ONCE)
_NOTHING: Final[tuple[None, None]] = (None, None)


class SqliteLookup:
    """The `Lookup` on SQLite.

    Args:
        profiles: The file of `SqliteProfiles`.
        pins: The file of `SqlitePins`.
        clock: Tells which pins have expired.
    """

    def __init__(self, profiles: SqliteFile, pins: SqliteFile, clock: Clock) -> None:
        self._profiles = profiles
        self._pins = pins
        self._clock = clock

    def look(self, asked: Sequence[Asked]) -> list[Seen]:
        """What is kept, one for each that is asked."""
        if len(asked) == 1:
            return [self._one(*asked[0])]
        return self._many(asked) if asked else []

    def _one(self, customer: str, send: str | None) -> Seen:
        """The same without the parcels of many: half of the time."""
        halves = self._profiles.rows(_HALVES, (customer,))
        history, published = halves[0] if halves else _NOTHING
        if send is None:
            return Seen(history, published, {})
        pins = self._pinned(_PINS, (customer, send))
        return Seen(history, published, None if pins is None else dict(pins))

    def _many(self, asked: Sequence[Asked]) -> list[Seen]:
        customers = list(dict.fromkeys(one.customer for one in asked))
        halves: dict[str, tuple[bytes | None, bytes | None]] = {}
        for some in chunks(customers, AT_ONCE):
            size = next(size for size in _SIZES if size >= len(some))
            asking = (*some, *(size - len(some)) * (None,))
            [row] = self._profiles.rows(_halves_of(size), asking)
            halves |= zip(some, zip(row[::2], row[1::2], strict=True), strict=False)
        sends = {one: None for one in asked if one.send is not None}
        pins = self._pinned(_PINS_OF_MANY, (_json(sends),)) if sends else []
        of_send: defaultdict[tuple[str, str | None], dict[str, bytes]] = defaultdict(dict)
        for customer, send, block, slate in pins or ():
            of_send[customer, send][block] = slate
        return [
            Seen(
                *halves.get(one.customer, _NOTHING),
                None if pins is None and one.send is not None else of_send[one],
            )
            for one in asked
        ]

    def _pinned(self, statement: str, asked: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
        """Rows of pins that have not expired; None while their file can't be read.

        That costs nobody his profile, which is in another file.
        """
        try:
            return self._pins.rows(statement, (*asked, milliseconds(self._clock)))
        except StoreUnavailable:
            return None


def _json(keys: dict[str, None] | dict[Asked, None]) -> str:
    return msgspec.json.encode(list(keys)).decode()


@cache
def _halves_of(size: int) -> str:
    """A statement that gives both halves of so many customers in one row.

    For each row of a result the interpreter's lock is let go and taken again, which under load
    takes longer than all the rest.
    """
    column = "(SELECT {0} FROM profiles WHERE customer = ?{1})"
    columns = (
        column.format(half, number)
        for number in range(1, size + 1)
        for half in ("history", "published")
    )
    return f"SELECT {', '.join(columns)}"
