"""From a URL to what keeps things: the scheme chooses the backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from features.clock import Clock
from features.stores.ports import Catalogue, EventLog, Pins, ProfileStore


@dataclass(frozen=True)
class Stores:
    """What one URL opens: three ports on one backend.

    Attributes:
        profiles: Profiles by customer key.
        catalogue: Items and shelves.
        pins: Slates that were answered.
    """

    profiles: ProfileStore
    catalogue: Catalogue
    pins: Pins
    _close: Callable[[], None] = field(repr=False)

    def close(self) -> None:
        """Let go of files and connections; every later call raises `StoreUnavailable`."""
        self._close()


def open_stores(url: str, clock: Clock | None = None) -> Stores:
    """Profiles, catalogue and pins.

    Nothing is read, written or connected yet: a store that is down raises `StoreUnavailable` at
    the first call, so that a scorer starts without it.

    Args:
        url: `sqlite:///PATH` (relative; `sqlite:////PATH` absolute), `redis://HOST:PORT/DB`,
            `rediss://…`, or `memory://` for this process alone.
        clock: Tells when pins expire; the machine's clock without one. Redis uses its own.

    Raises:
        SettingsError: The URL can't be used; its password is not shown.
        MissingExtra: The backend's library is not installed.
    """
    raise NotImplementedError


def open_log(url: str, clock: Clock | None = None) -> EventLog:
    """The event log; opened lazily as `open_stores` does.

    Args:
        url: `sqlite:///PATH` or `memory://`.
        clock: Dates dead letters; the machine's clock without one.

    Raises:
        SettingsError: The URL can't be used.
    """
    raise NotImplementedError
