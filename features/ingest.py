"""The one consumer loop: from the event log into profiles and into the lake.

Both halves take a batch, write it, and only then move their place in the log. Folding is a join
and merging is by event id, so a batch that is written again after a crash changes nothing: nothing
is lost and nothing is doubled, whichever line the process dies at.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol

import pyarrow as pa
import structlog

from features.alias import identified_of
from features.batch import read_entries
from features.clock import Clock, SystemClock
from features.errors import Unavailable
from features.event import Event
from features.freshness import Freshness, listening
from features.lake import Lake, MergeReport
from features.profile import History, history_of
from features.settings import Settings
from features.stores.opening import open_log, open_stores
from features.stores.ports import Entry, EventLog, ProfileStore
from features.tables import event_table
from features.upkeep import Upkeep

PROFILES: Final = "profiles"
LAKE: Final = "lake"
"""The names of the two readers of the log."""
SOURCE: Final = "ingest"
"""Where dead letters say that they come from."""

FOLD_BATCH: Final = 500
"""Entries in one fold of a loop that keeps up."""
FOLD_MOST: Final = 8_000
"""Entries in one fold of a loop that is behind: most of a fold is what it touches on disk, and
profiles that are folded together lie together."""
FOLD_SECONDS: Final = 0.25
"""How long a fold may take for the next one to be larger: other writers of profiles wait for it."""
MERGE_BATCH: Final = 50_000
"""Entries in one merge at most."""
MERGE_ENOUGH: Final = 5_000
"""Entries that are merged at once, without waiting for more."""
MERGE_SECONDS: Final = 2.0
"""How long fewer entries wait for company: every merge makes files."""
UPKEEP: Final = "upkeep"
"""What looks after the lake, for the log."""
UPKEEP_SECONDS: Final = 60.0
"""Between two looks at what is due in the lake."""
POLL_SECONDS: Final = 0.02
"""Between two looks at an empty log."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds of back-off when something is unavailable: doubled from the first to the longest."""

_NOTHING: Final = History()

_log = structlog.get_logger("homing.ingest")


class EventLake(Protocol):
    """The lake as the loop sees it."""

    def merge_events(self, events: pa.Table) -> MergeReport:
        """Insert the events whose ids are not there yet (`features.tables.EVENT_SCHEMA`).

        Raises:
            LakeUnavailable: It can't be written just now.
        """
        ...


class Ingest:
    """Moves events from the log into profiles and the lake, each at its own pace.

    `fold_once` and `merge_once` may run in two threads or processes; one of a kind at a time.

    Args:
        log: Read as two readers, `profiles` and `lake`.
        profiles: Histories are folded into it.
        lake: Events are merged into it; None leaves them to others.
        clock: Tells which events claim to come from the future.

    Attributes:
        freshness: What was moved, and how old it was then.
    """

    def __init__(
        self, log: EventLog, profiles: ProfileStore, lake: EventLake | None, clock: Clock
    ) -> None:
        self._log = log
        self._profiles = profiles
        self._lake = lake
        self._clock = clock
        self._fold_batch = FOLD_BATCH
        self.freshness = Freshness(log, clock, [PROFILES] if lake is None else [PROFILES, LAKE])

    def fold_once(self) -> int:
        """Fold the next batch into profiles; what can't be read becomes a dead letter.

        Returns:
            How many log entries it went past; 0 when none were waiting.

        Raises:
            StoreUnavailable: Nothing is lost; the same batch comes again.
        """
        began, limit = time.monotonic(), self._fold_batch
        self._fold_batch = FOLD_BATCH  # what is too much for a store is not tried forever
        entries = self._take(PROFILES, limit)
        if not entries:
            return 0
        events, poison = read_entries(entries, self._clock.now())
        self._profiles.fold(histories(events), identified_of(events))
        for body, reason in poison:
            self._log.bury([body], reason, SOURCE)
        self._commit(PROFILES, entries, events)
        behind = len(entries) == limit and time.monotonic() - began < FOLD_SECONDS
        self._fold_batch = min(2 * limit, FOLD_MOST) if behind else max(limit // 2, FOLD_BATCH)
        _log.debug("folded", entries=len(entries), events=len(events), dead_letters=len(poison))
        return len(entries)

    def merge_once(self) -> int:
        """Merge the next batch into the lake; what can't be read is left to `fold_once`.

        Returns:
            How many log entries it went past; 0 when none were waiting or there is no lake.

        Raises:
            LakeUnavailable: Nothing is lost; the same batch comes again.
            StoreUnavailable: Likewise.
        """
        if self._lake is None:
            return 0
        entries = self._take(LAKE, MERGE_BATCH)
        if not entries:
            return 0
        events, _ = read_entries(entries, self._clock.now())
        if events:
            report = self._lake.merge_events(event_table(events))
            _log.info("merged", entries=len(entries), events=len(events), inserted=report.inserted)
        self._commit(LAKE, entries, events)
        return len(entries)

    def waiting(self) -> int:
        """How many log entries the lake has not got yet."""
        return 0 if self._lake is None else self._log.depth(LAKE)

    def trim(self) -> int:
        """Drop the log entries that both halves are past; returns how many."""
        # The log keeps what a known reader has not got: profiles may not have begun to read yet.
        self._log.commit(PROFILES, 0)
        return self._log.trim()

    def _take(self, reader: str, limit: int) -> list[Entry]:
        entries = self._log.take(reader, limit)
        self.freshness.took(reader, entries)
        return entries

    def _commit(self, reader: str, entries: Sequence[Entry], events: Sequence[Event]) -> None:
        self._log.commit(reader, entries[-1].position)
        self.freshness.passed(reader, entries, events)


def histories(events: Iterable[Event]) -> dict[str, History]:
    """Customer key → the history of that customer's events alone; nobody without any."""
    own: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        own[event.customer].append(event)
    found = {key: history_of(those) for key, those in own.items()}
    return {key: history for key, history in found.items() if history != _NOTHING}


def run_ingest(settings: Settings, stop: threading.Event) -> None:
    """Run both halves until told to stop, each in its own pace and with its own back-off.

    The lake is looked after in a thread of its own, so that neither half waits for it.

    Args:
        settings: Where the log, the profiles and the lake are.
        stop: Ends it after the batch at hand.

    Raises:
        SettingsError: A URL or a port can't be used.
    """
    clock = SystemClock()
    stores = open_stores(settings.resolved_store_url(), clock)
    log = open_log(settings.resolved_log_url(), clock)
    lake = Lake(settings.resolved_lake_path())
    ingest = Ingest(log, stores.profiles, lake, clock)
    beside = [(merge_when_due(ingest, stop), LAKE)]
    if settings.lake_small_files:
        keep = timedelta(days=settings.lake_keep_days)
        upkeep = Upkeep(lake, keep, settings.lake_small_files, clock)
        beside.append((keep_up(upkeep, stop), UPKEEP))
    threads = [threading.Thread(target=run_half, args=(step, stop, name)) for step, name in beside]
    with listening(ingest.freshness, settings.ingest_host, settings.ingest_port):
        for thread in threads:
            thread.start()
        try:
            run_half(ingest.fold_once, stop, PROFILES)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            log.close()
            stores.close()


def merge_when_due(ingest: Ingest, stop: threading.Event) -> Callable[[], int]:
    """One step of the lake's half: wait for enough events or long enough, then merge and trim."""

    def step() -> int:
        if 0 < ingest.waiting() < MERGE_ENOUGH:
            stop.wait(MERGE_SECONDS)
        passed = ingest.merge_once()
        if passed:
            ingest.trim()
        return passed

    return step


def keep_up(upkeep: Upkeep, stop: threading.Event) -> Callable[[], int]:
    """One step of looking after the lake: wait, then do what is due."""

    def step() -> int:
        if not stop.wait(UPKEEP_SECONDS):
            upkeep.look()
        return 0

    return step


def run_half(step: Callable[[], int], stop: threading.Event, reader: str) -> None:
    """Repeat a step until told to stop: at once after work, soon after none, later after trouble.

    A fault in one half never ends the other: it is logged with its traceback, and the step comes
    again with nothing lost.

    Args:
        step: Returns how much it did.
        stop: Ends the loop between two steps.
        reader: Whose half it is, for the log.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            passed = step()
        except Unavailable as error:
            _log.warning("waits", reader=reader, reason=str(error), seconds=pause)
        except Exception:  # noqa: BLE001 - a fault in one half must not stop the other
            _log.exception("failed", reader=reader, seconds=pause)
        else:
            pause = FIRST_PAUSE
            stop.wait(0 if passed else POLL_SECONDS)
            continue
        stop.wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
