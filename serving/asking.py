"""What answers ask of the stores: for several at once, and of no store that is down.

Everything here may block, and nothing raises because a store fails: then the attempts know why they
have to do without.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Final, TypeVar

import structlog

from features.errors import UNDECODABLE, StoreUnavailable
from features.stores.halves import read_seen
from features.stores.ports import Asked, Seen
from serving.attempt import Attempt, Made
from serving.breaker import Breaker, Call
from serving.lanes import Lane
from serving.parts import Parts
from serving.pinning import LocalPins, Place, StorePins, continues, read_pins
from serving.slate import Choice, Reason
from serving.stored import read_publication

MOST_BEHIND: Final = 10_000
"""Pins that wait to be written behind their answers; more are known to this process alone."""
PINS_AT_ONCE: Final = 256
BEHIND_SECONDS: Final = 0.5
"""Between two tries while nothing can be pinned."""

STORE: Final = "store"
PINS: Final = "pins"
"""The dependency that fails where slates can't be pinned, though the store can be read."""

_log = structlog.get_logger(__name__)
_Found = TypeVar("_Found")


class Asking:
    """Asks the stores.

    Reading and pinning fail apart: a disk that is full can be read from, and then answers lose
    nothing but that other processes know of them.

    Args:
        parts: Has them.

    Attributes:
        local: The pins of this process.
    """

    def __init__(self, parts: Parts) -> None:
        seconds = parts.settings.pin_seconds
        self.local = LocalPins(seconds, parts.clock)
        self._lookup = parts.stores.lookup
        self._pins = StorePins(parts.stores.pins, seconds)
        self._breaker = parts.breaker
        self._pinning = Breaker()
        self._metrics = parts.metrics
        # What was answered without waiting for the store, for other processes to know.
        self._behind: Lane[tuple[Place, Choice]] = Lane(
            "pin", self._pin_behind, threads=1, most=PINS_AT_ONCE, patience=math.inf
        )

    def close(self) -> None:
        """Pin nothing more."""
        self._behind.close()

    def look(self, attempts: Sequence[Attempt]) -> None:
        """See what there is of each: profile, pins and turns, in one round trip."""
        asking = [attempt for attempt in attempts if attempt.cause is None]
        for attempt in attempts:
            if attempt.cause is not None:
                self._note_seen(attempt, None)
        asked = [Asked(attempt.ask.customer, attempt.ask.send) for attempt in asking]
        seen = self._ask(asking, lambda: self._lookup.look(asked))
        for attempt, found in zip(asking, seen or repeat(None), strict=False):
            self._note_seen(attempt, found)
        if any(found.pins is None for found in seen or ()):
            self.note_failure(Call(0.0, self._pinning, PINS))

    def open(self, attempt: Attempt) -> None:
        """Decode the profile, once; one that can't be read is as good as a store that is down."""
        if attempt.seen is None or attempt.profile is not None:
            return
        try:
            attempt.profile = read_seen(attempt.ask.customer, attempt.seen)
        except StoreUnavailable as error:
            attempt.cause = attempt.cause or Reason.STORE
            attempt.seen = None
            _log.error("profile not readable", error=str(error))

    def take_turns(self, attempts: Sequence[Attempt]) -> None:
        """See to it that it is known whose turns are before those of fresh slates."""
        asking = [(one, place) for one in attempts if (place := self._open_place(one)) is not None]
        turns = [(place, one.turns) for one, place in asking]
        some = [one for one, _ in asking]
        before = self._ask(some, lambda: self._pins.take_turns(turns), pinning=True)
        for (attempt, _), blocks in zip(asking, before or (), strict=False):
            attempt.before = blocks

    def pin(self, chosen: Sequence[Made]) -> list[Made]:
        """Settle fresh choices, and pin those of a send; what was pinned before them stands."""
        settled = [(attempt, attempt.settle(choice)) for attempt, choice in chosen]
        asking = [
            (attempt, place, choice)
            for attempt, choice in settled
            if (place := self._open_place(attempt)) is not None
        ]
        pins = [(place, choice) for _, place, choice in asking]
        some = [one for one, _, _ in asking]
        kept = self._ask(some, lambda: self._pins.pin(pins), pinning=True)
        if kept is None:
            for place, choice in pins:
                self.pin_later(place, choice)
        stands = dict(zip(map(id, some), kept or (), strict=False))
        return [(one, self.pin_here(one, stands.get(id(one), choice))) for one, choice in settled]

    def pin_here(self, attempt: Attempt, choice: Choice) -> Choice:
        """Remember a choice of a send; returns the one that stands."""
        place = attempt.place
        return choice if place is None else self.local.pin(place, choice)

    def pin_later(self, place: Place, choice: Choice) -> None:
        """Let the store know of a choice that was answered without it, when there is time.

        This is also what finds out that slates can be pinned again.
        """
        if self._breaker.closed and self._behind.waiting < MOST_BEHIND:
            self._behind.put((place, choice))

    def fill_up(self, attempt: Attempt, place: Place, pinned: Choice) -> Choice:
        """A pinned choice with enough to show; what filled it up is pinned as well."""
        while continues(filled := attempt.filled(pinned), pinned):
            before = pinned
            kept = self._ask(
                [attempt] if attempt.cause is None else [],
                lambda: self._pins.fill_up(place, before, filled),  # noqa: B023 - called at once
                pinning=True,
            )
            if kept is None or not continues(kept, pinned):
                return self.local.pin(place, filled)
            pinned = self.local.pin(place, kept)
        return pinned

    def note_hanging(self) -> None:
        """Count that nobody gets to ask the store, because all who do wait for it."""
        self.note_failure(Call(0.0, self._breaker, STORE))

    def note_failure(self, call: Call) -> None:
        """Count a call that failed, or was not answered in time."""
        call.breaker.failed()
        self._metrics.failures.labels(call.dependency).inc()

    def _note_seen(self, attempt: Attempt, seen: Seen | None) -> None:
        customer, send = attempt.ask.customer, attempt.ask.send
        if seen is not None:
            attempt.seen = seen
            try:
                attempt.publication = read_publication(seen.published)
            except UNDECODABLE:
                attempt.cause = Reason.STORE  # `open` says what is wrong
        if send is None:
            return
        attempt.pins = self.local.of_send(customer, send)
        if seen is not None and seen.pins:
            stored = read_pins(seen.pins)
            # Remembered, so that a store that is lost from now on takes no slate of the send along.
            attempt.pins = attempt.pins | {
                block: self.local.pin((customer, send, block), choice)
                for block, choice in stored.choices.items()
            }
            attempt.turns = stored.turns

    def _open_place(self, attempt: Attempt) -> Place | None:
        """Where the store is to keep the answer; None when it is not to."""
        return attempt.place if attempt.cause is None else None

    def _pin_behind(self, pins: list[tuple[Place, Choice]]) -> None:
        """Let the store know of choices that were answered already."""
        try:
            self._pins.pin(pins)
        except StoreUnavailable:
            self.note_failure(Call(0.0, self._pinning, PINS))
            time.sleep(BEHIND_SECONDS)
            if self._behind.waiting < MOST_BEHIND:
                self._behind.put(*pins)
        except Exception:  # noqa: BLE001 - they are answered, and others come behind them
            self._metrics.internal.inc()
            _log.exception("pins lost", pins=len(pins))
        else:
            self._pinning.succeeded()

    def _ask(
        self,
        attempts: Sequence[Attempt],
        call: Callable[[], _Found],
        *,
        pinning: bool = False,
    ) -> _Found | None:
        """What the store says; None when it can't be asked.

        Args:
            attempts: All for whom it is asked; none has a cause yet not to. When nobody can be
                read for them, they get it.
            call: The question.
            pinning: Whether it is about pins alone.
        """
        breaker, name = (self._pinning, PINS) if pinning else (self._breaker, STORE)
        if attempts and breaker.closed:
            waiting = Call(time.monotonic(), breaker, name)
            for attempt in attempts:
                attempt.call = waiting
            try:
                found = call()
            except StoreUnavailable:
                self.note_failure(waiting)
            else:
                breaker.succeeded()
                return found
            finally:
                for attempt in attempts:
                    attempt.call = None
        for attempt in () if pinning else attempts:
            attempt.cause = attempt.cause or Reason.STORE
        return None
