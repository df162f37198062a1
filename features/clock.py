"""Time is a port, so that tests can stand still and evaluation can look at the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that asks the machine


class FixedClock:
    """A clock that stands still until it is moved.

    Args:
        at: The moment it shows, aware.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The moment it was set to."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move it forward."""
        self._at += by
