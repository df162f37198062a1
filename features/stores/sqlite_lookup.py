"""What answers need of the two SQLite files, as they keep it: a statement a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from features.clock import Clock
from features.stores.ports import Asked, Seen
from features.stores.sqlite_file import SqliteFile
from features.stores.sqlite_pins import milliseconds

_HALVES: Final = "SELECT history, published FROM profiles WHERE customer = ?"
_PINS: Final = "SELECT block, slate FROM pins WHERE customer = ? AND send = ? AND expires > ?"
_HALVES_OF_MANY: Final = (
    "SELECT customer, history, published FROM profiles"
    " WHERE customer IN (SELECT value FROM json_each(?))"
)
_PINS_OF_MANY: Final = (
    "SELECT customer, send, block, slate FROM json_each(?) AS asked"
    " CROSS JOIN pins ON customer = asked.value ->> 0 AND send = asked.value ->> 1"
    " WHERE expires > ?"
)
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
        if send is None:
            pins = {}
        else:
            pins = dict(self._pins.rows(_PINS, (customer, send, milliseconds(self._clock))))
        history, published = halves[0] if halves else _NOTHING
        return Seen(history, published, pins)

    def _many(self, asked: Sequence[Asked]) -> list[Seen]:
        customers = _json({one.customer: None for one in asked})
        rows = self._profiles.rows(_HALVES_OF_MANY, (customers,))
        halves = {customer: (history, published) for customer, history, published in rows}
        pins: defaultdict[tuple[str, str | None], dict[str, bytes]] = defaultdict(dict)
        sends = {one: None for one in asked if one.send is not None}
        if sends:
            rows = self._pins.rows(_PINS_OF_MANY, (_json(sends), milliseconds(self._clock)))
            for customer, send, block, slate in rows:
                pins[customer, send][block] = slate
        return [Seen(*halves.get(one.customer, _NOTHING), pins[one]) for one in asked]


def _json(keys: dict[str, None] | dict[Asked, None]) -> str:
    return msgspec.json.encode(list(keys)).decode()
