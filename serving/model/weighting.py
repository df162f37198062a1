"""How much an interaction counts: the one formula that training and serving share.

The weight of an item in a history, as of a moment `now`, is::

    sum over the item's interactions of  types[type] * 2 ** (-age / half_life)

with ages in whole-second steps, never below 0. An item whose sum is not above `NEGLIGIBLE` was
taken back by returns, or faded over thirty half-lives; it is not in the basket at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from features.errors import SettingsError
from features.event import EventType

NEGLIGIBLE = 1e-9
SECONDS_A_DAY = 86_400.0

DEFAULT_TYPES: Mapping[EventType, float] = {
    EventType.VIEW: 0.1,
    EventType.EMAIL_CLICK: 0.2,
    EventType.CART: 0.3,
    EventType.PURCHASE: 1.0,
    EventType.RETURN: -1.0,
}


class Weighting(msgspec.Struct, frozen=True):
    """What each type of event counts, and how fast it fades.

    Attributes:
        types: Event type → weight of one such event when new; a type that is absent counts
            nothing. Negative takes back.
        half_life_days: Days until an event counts half; None when it never fades.

    Raises:
        SettingsError: A weight is not finite, or the half-life is not a positive number.
    """

    types: dict[EventType, float] = msgspec.field(default_factory=lambda: dict(DEFAULT_TYPES))
    half_life_days: float | None = 60.0

    def __post_init__(self) -> None:
        for name, weight in self.types.items():
            if not math.isfinite(weight):
                message = f"weighting.types.{name} = {weight}: not finite; give a plain number"
                raise SettingsError(message)
        days = self.half_life_days
        if days is not None and not (math.isfinite(days) and days > 0):
            message = f"weighting.half_life_days = {days}: give a positive number, or null"
            raise SettingsError(message)

    def decay_per_second(self) -> float:
        """The rate r of 2 ** (-r * age in seconds); 0 when nothing fades."""
        return 0.0 if self.half_life_days is None else 1.0 / (self.half_life_days * SECONDS_A_DAY)


UNFADING: Final = Weighting(half_life_days=None)
"""What happened long ago counts like what happened now."""
