"""Exposures: what slates showed, on its way into the event log.

An answer waits for nothing here. It leaves what it showed in memory, and a thread of its own
appends that to the log in groups, as one `slate_served` event a slate. The event bears the slate's
id and date, so that whoever records it again, here or in another process, changes nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, NamedTuple

import structlog

from features.errors import StoreUnavailable
from features.event import Event, EventType
from features.stores.codec import encode_event
from features.stores.no_log import NoLog
from features.stores.ports import EventLog
from serving.metrics import Metrics
from serving.slate import Choice

SOURCE: Final = "homing"
"""Who reports them."""
MOST: Final = 50_000
"""Exposures that wait for the log; more are lost."""
GROUP: Final = 500
"""Exposures in one append."""
SECONDS: Final = 0.5
"""How long fewer wait for company, and between two tries while the log can't be written."""
CLOSE_SECONDS: Final = 2.0
"""How long an end waits for what is still to be appended."""
REMEMBERED: Final = 100_000
"""Slates of which it is known that they were recorded: these at the most, half of them at least."""

_log = structlog.get_logger(__name__)


class _Shown(NamedTuple):
    """One exposure that waits."""

    customer: str
    send: str
    block: str
    choice: Choice
    size: int

    def event(self) -> Event:
        """As the log takes it."""
        return Event(
            id=self.choice.slate,
            type=EventType.SLATE_SERVED,
            customer=self.customer,
            occurred_at=datetime.fromtimestamp(self.choice.at, UTC),
            block=self.block,
            send=self.send,
            slate=self.choice.slate,
            source=SOURCE,
            items=tuple(pick.item for pick in self.choice.picks[: self.size]),
            served_by=self.choice.served_by,
            model=self.choice.model,
        )


class Exposures:
    """Takes exposures from any thread, and appends them to the log beside.

    Args:
        log: Where they become durable; into a `NoLog` nothing goes, and that is counted.
        metrics: Count what was recorded and what was lost.
    """

    def __init__(self, log: EventLog, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._takes = not isinstance(log, NoLog)
        self._taking = threading.Lock()
        self._waiting: deque[_Shown] = deque()
        self._recent: set[str] = set()
        self._before: set[str] = set()
        self._due = threading.Event()
        self._ended = threading.Event()
        # A daemon: a log that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="exposures", daemon=True)

    def start(self) -> None:
        """Begin to append; once."""
        self._thread.start()

    def record(self, customer: str, send: str, block: str, choice: Choice, size: int) -> None:
        """Take what an answer showed; returns at once.

        Args:
            customer: Customer key.
            send: The e-mail's id.
            block: The place in it.
            choice: As it is pinned. One that shows nothing, or was recorded, is passed over.
            size: How many of its picks the answer shows.
        """
        if not choice.picks or size < 1:
            return
        with self._taking:
            if choice.slate in self._recent or choice.slate in self._before:
                return
            reason = self._refusal()
            if reason is None:
                self._waiting.append(_Shown(customer, send, block, choice, size))
                self._remember(choice.slate)
        if reason is not None:
            self._lose(1, reason)
        elif len(self._waiting) >= GROUP:
            self._due.set()

    def close(self) -> None:
        """Append what waits, within `CLOSE_SECONDS`, and take nothing more; idempotent."""
        self._ended.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        with self._taking:
            left = len(self._waiting)
            self._waiting.clear()
        self._lose(left, "ended")

    def _refusal(self) -> str | None:
        """Why nothing can be taken just now."""
        if not self._takes:
            return "no log"
        if self._ended.is_set():
            return "ended"
        return "full" if len(self._waiting) >= MOST else None

    def _remember(self, slate: str) -> None:
        if len(self._recent) >= REMEMBERED // 2:
            self._before, self._recent = self._recent, set()
        self._recent.add(slate)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._due.wait(SECONDS)
            self._due.clear()
            if not self._append_all():
                self._ended.wait(SECONDS)
        self._append_all()

    def _append_all(self) -> bool:
        """Append group after group; whether nothing had to be left for later."""
        while group := self._first():
            try:
                self._log.append([encode_event(shown.event()) for shown in group])
            except StoreUnavailable as error:
                _log.warning("exposures wait", waiting=len(self._waiting), reason=str(error))
                return False
            except Exception:  # noqa: BLE001 - a fault in one group must not stop those behind it
                _log.exception("exposures lost", lost=len(group))
                self._metrics.internal.inc()
                self._lose(len(group), "fault")
            else:
                self._metrics.exposures.inc(len(group))
            self._drop(len(group))
        return True

    def _first(self) -> Sequence[_Shown]:
        with self._taking:
            return list(islice(self._waiting, GROUP))

    def _drop(self, count: int) -> None:
        with self._taking:
            for _ in range(min(count, len(self._waiting))):
                self._waiting.popleft()

    def _lose(self, count: int, reason: str) -> None:
        if count:
            self._metrics.exposures_lost.labels(reason).inc(count)
