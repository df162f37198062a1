"""From messages to the event log: what is the same for all feeds.

What a message says becomes events, customers by their keys; what should be an event and is none
becomes a dead letter of `follow:NAME`, byte for byte. Both are durable before the batch counts as
seen, so whoever is killed takes it again, and the ids of the events tell the repetition. While the
log can't take it, nothing more is taken: the batch waits, and with it the feed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from features.bursts import Bursts
from features.clock import Clock
from features.errors import Unavailable
from features.identity import CustomerKeys
from features.sources.again import FEED
from features.sources.source import Received, Unreadable
from features.stores.codec import encode_event
from features.stores.ports import EventLog
from homing.follow.declared import Declared
from homing.follow.stream import Message
from homing.follow.tally import Tally

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries to keep a batch: doubled from the first to the longest."""
APPENDED: Final = 500
"""Events that are appended at once."""
FAULT: Final = "a fault of its reader, which the log shows; report it"

_log = structlog.get_logger("homing.follow")


class Into(NamedTuple):
    """Where messages go, and what makes events of them; the clock dates what was left undated."""

    log: EventLog
    keys: CustomerKeys
    clock: Clock
    tally: Tally


class Taking:
    """Takes the batches of one feed, as a stream's `take`.

    Args:
        declared: The feed.
        into: Where its messages go.
        stop: Ends the waiting for a log that can't take them.
    """

    def __init__(self, declared: Declared, into: Into, stop: threading.Event) -> None:
        self._origin = FEED + declared.name
        self._kinds = frozenset(declared.kinds)
        self._events = declared.reader()
        self._into = into
        self._stop = stop
        self._bursts = Bursts()

    def __call__(self, messages: Sequence[Message]) -> None:
        """Return once all that the messages say is durable.

        Raises:
            Unavailable: It is not, and it was told to stop.
        """
        received = [self._received(message) for message in messages]
        events = self._bursts.marked([event for said in received for event in said.events])
        bodies = [encode_event(event) for event in events]
        letters: dict[str, list[bytes]] = {}
        for said in received:
            for letter in said.unreadable:
                letters.setdefault(letter.reason, []).append(letter.body)
        self._patiently(lambda: self._keep(bodies, letters))
        self._into.tally.add(
            messages=len(messages),
            events=len(events),
            left_out=sum(not (said.events or said.unreadable) for said in received),
            letters=sum(map(len, letters.values())),
        )

    def _received(self, message: Message) -> Received:
        if message.trouble:
            return Received(unreadable=[Unreadable(message.body, message.trouble)])
        if self._kinds and message.kind not in self._kinds:
            return Received()
        try:
            return self._events.read(message.body, self._into.keys, self._into.clock.now())
        except Exception:  # noqa: BLE001 - a reader never raises; if one does, nothing is lost
            _log.exception("a message could not be read", origin=self._origin)
            return Received(unreadable=[Unreadable(message.body, FAULT)])

    def _keep(self, bodies: Sequence[bytes], letters: Mapping[str, Sequence[bytes]]) -> None:
        """Letters first: one that comes again is kept once."""
        for reason, those in letters.items():
            self._into.log.bury(those, reason, self._origin)
        for start in range(0, len(bodies), APPENDED):
            self._into.log.append(bodies[start : start + APPENDED])

    def _patiently(self, step: Callable[[], None]) -> None:
        """Do a step again, later and later, until it is done."""
        pause = FIRST_PAUSE
        while True:
            try:
                step()
            except Unavailable as error:
                self._into.tally.waiting = True
                _log.warning("waits", origin=self._origin, reason=str(error), seconds=pause)
                if self._stop.wait(pause):
                    raise
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._into.tally.waiting = False
                return
