"""The one consumer loop: from the event log into profiles and into the lake."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from features.clock import Clock
from features.event import Event
from features.settings import Settings
from features.stores.ports import EventLog, ProfileStore


class EventLake(Protocol):
    """The lake as the loop sees it."""

    def add_events(self, events: Sequence[Event]) -> int:
        """Insert the events whose ids are not there yet; returns how many were inserted.

        Raises:
            LakeUnavailable: It can't be written just now; nothing was inserted, or all of it.
        """
        ...


class Ingest:
    """Moves events from the log into profiles and the lake, each at its own pace.

    Args:
        log: Read as two readers, `profiles` and `lake`.
        profiles: Histories are folded into it.
        lake: Events are merged into it; None leaves them to others.
        clock: Tells which events claim to come from the future.
    """

    def __init__(
        self, log: EventLog, profiles: ProfileStore, lake: EventLake | None, clock: Clock
    ) -> None:
        raise NotImplementedError

    def fold_once(self) -> int:
        """Fold the next batch into profiles; returns how many log entries it went past."""
        raise NotImplementedError

    def merge_once(self) -> int:
        """Merge the next batch into the lake; returns how many log entries it went past."""
        raise NotImplementedError


def run_ingest(settings: Settings, stop: threading.Event) -> None:
    """Run both halves until told to stop."""
    raise NotImplementedError
