"""Makes choices, several at once: one look at the stores, turns, stored slates, the model, pins.

Everything here may block, so it runs in threads; `serving.answering` keeps the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, TypeVar

import msgspec
import structlog

from features.errors import StoreUnavailable
from features.stores.halves import read_seen
from features.stores.ports import Asked, Seen
from serving.attempt import Attempt
from serving.fallback import Ranked, choose, choose_static, rank
from serving.lanes import Lane
from serving.parts import Parts
from serving.pinning import LocalPins, Place, StorePins, continues, read_pins
from serving.ranking.columns import microseconds
from serving.recall import Recall
from serving.slate import Choice, Reason, Rung, slate_id
from serving.snapshot import Snapshot
from serving.stored import Digests, current_slate, picks_of, read_publication

Made = tuple[Attempt, Choice]
"""An attempt and the choice that it is answered with."""

MOST_SHARED: Final = 4_096
"""Answers for everybody that are remembered, before all are made again."""

MOST_BEHIND: Final = 10_000
"""Pins that wait to be written behind their answers; more are known to this process alone."""
PINS_AT_ONCE: Final = 256

_log = structlog.get_logger(__name__)
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class _Shared:
    """Answers that are the same for everybody, for as long as nothing changes.

    Attributes:
        snapshot: What they were made from.
        moment: When, microseconds since 1970.
        known: Block, count and reason → choice.
    """

    snapshot: Snapshot
    moment: int
    known: dict[tuple[str, int, Reason | None], Choice]


class Maker:
    """Makes choices.

    Args:
        parts: What they are made from.
    """

    def __init__(self, parts: Parts) -> None:
        seconds = parts.settings.pin_seconds
        self.local = LocalPins(seconds, parts.clock)
        self._lookup = parts.stores.lookup
        self._pins = StorePins(parts.stores.pins, seconds)
        self._current = parts.current
        self._breaker = parts.breaker
        self._metrics = parts.metrics
        self._digests = Digests()
        self._recall = Recall(parts.metrics)
        self._shared: _Shared | None = None
        # What was answered without waiting for the store, for other processes to know.
        self._behind: Lane[tuple[Place, Choice]] = Lane(
            "pin", self._pin_behind, threads=1, most=PINS_AT_ONCE, patience=math.inf
        )

    def read(self, attempts: Sequence[Attempt]) -> tuple[list[Made], list[Attempt]]:
        """Look everything up, and answer all that needs no model.

        Args:
            attempts: At least one; no two blocks of the same send.

        Returns:
            What was answered, and the attempts that are to be ranked.
        """
        self._use_newest(attempts)
        self._look(attempts)
        made: list[Made] = []
        fresh: list[Attempt] = []
        rest: list[Attempt] = []
        for attempt in attempts:
            pinned = attempt.pinned
            if pinned is None:
                fresh.append(attempt)
            elif attempt.stands(pinned):
                attempt.made = "pinned"
                made.append((attempt, attempt.settle(pinned)))
            else:
                rest.append(attempt)
        self._take_turns(fresh)
        chosen: list[Made] = []
        for attempt in fresh:
            choice = self._without_model(attempt)
            if choice is None:
                rest.append(attempt)
            else:
                chosen.append((attempt, choice))
        return made + self._pinned(chosen), rest

    def rank(self, attempts: Sequence[Attempt]) -> list[Made]:
        """Answer what `read` left over, all scored at once.

        Args:
            attempts: At least one, as `read` gave them.
        """
        self._use_newest(attempts)
        fresh: list[Attempt] = []
        made: list[Made] = []
        for attempt in attempts:
            self._open(attempt)
            pinned, place = attempt.pinned, attempt.place
            if pinned is not None and place is not None:
                made.append((attempt, attempt.settle(self._fill_up(attempt, place, pinned))))
            else:
                self._await_turn(attempt)
                fresh.append(attempt)
        if fresh:
            questions = [attempt.question() for attempt in fresh]
            ranked = rank(fresh[0].snapshot, questions)
            self._recall.note(fresh[0].snapshot, questions, ranked)
            made += self._pinned(
                [(one, self._chosen(one, said)) for one, said in zip(fresh, ranked, strict=True)]
            )
        return made

    def lower(self, attempt: Attempt, reason: Reason) -> Made:
        """Answer what `read` left over from a lower rung than the model.

        Args:
            attempt: As `read` gave it.
            reason: Why.
        """
        self._open(attempt)
        attempt.hurry = reason
        pinned, place = attempt.pinned, attempt.place
        if pinned is not None and place is not None:
            return attempt, attempt.settle(self._fill_up(attempt, place, pinned))
        return self._pinned([(attempt, self._lower(attempt))])[0]

    def at_hand(self, attempt: Attempt, cause: Reason, *, ranking: bool = False) -> Choice:
        """What can be answered without the store; threads ask it no further for this attempt.

        Args:
            attempt: Any.
            cause: Why the store is not asked.
            ranking: Whether the model may be asked, if the profile is at hand.
        """
        attempt.cause = cause
        place = attempt.place
        if place is not None:
            attempt.pins = {**attempt.pins, **self.local.of_send(*place[:2])}
        settled = attempt.settled
        choice = settled or attempt.settle(self._without_store(attempt, ranking=ranking))
        standing = self._pin_here(attempt, choice)
        if place is not None and self._breaker.closed and self._behind.waiting < MOST_BEHIND:
            self._behind.put((place, standing))
        return standing

    def close(self) -> None:
        """Pin nothing more."""
        self._behind.close()
        self._recall.close()

    def note_failure(self) -> None:
        """Count a call to the store that failed, or was not answered in time."""
        self._breaker.failed()
        self._metrics.failures.labels("store").inc()

    def note_unforeseen(self, attempt: Attempt) -> None:
        """Count and log an error that nobody foresaw."""
        self._metrics.internal.inc()
        _log.exception("answer failed", customer=attempt.ask.customer, block=attempt.ask.block)

    def _use_newest(self, attempts: Sequence[Attempt]) -> None:
        """One snapshot for all of them: a swap in the middle must not split their scores."""
        snapshot = self._current.snapshot
        for attempt in attempts:
            attempt.use(snapshot)

    def _look(self, attempts: Sequence[Attempt]) -> None:
        asking = [attempt for attempt in attempts if attempt.cause is None]
        for attempt in attempts:
            if attempt.cause is not None:
                self._note_seen(attempt, None)
        asked = [Asked(attempt.ask.customer, attempt.ask.send) for attempt in asking]
        seen = self._ask_store(asking, lambda: self._lookup.look(asked))
        for attempt, found in zip(asking, seen or repeat(None), strict=False):
            self._note_seen(attempt, found)

    def _note_seen(self, attempt: Attempt, seen: Seen | None) -> None:
        customer, send = attempt.ask.customer, attempt.ask.send
        if seen is not None:
            attempt.seen = seen
            try:
                attempt.publication = read_publication(seen.published)
            except msgspec.DecodeError:
                attempt.cause = Reason.STORE  # `_open` says what is wrong
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

    def _open(self, attempt: Attempt) -> None:
        """Decode the profile, once; one that can't be read is as good as a store that is down."""
        if attempt.seen is None or attempt.profile is not None:
            return
        try:
            attempt.profile = read_seen(attempt.ask.customer, attempt.seen)
        except StoreUnavailable as error:
            attempt.cause = attempt.cause or Reason.STORE
            attempt.seen = None
            _log.error("profile not readable", error=str(error))

    def _take_turns(self, attempts: Sequence[Attempt]) -> None:
        """See to it that it is known whose turns are before those of fresh slates."""
        asking = [(one, place) for one in attempts if (place := self._open_place(one)) is not None]
        turns = [(place, one.turns) for one, place in asking]
        before = self._ask_store([one for one, _ in asking], lambda: self._pins.take_turns(turns))
        for (attempt, _), blocks in zip(asking, before or (), strict=False):
            attempt.before = blocks

    def _open_place(self, attempt: Attempt) -> Place | None:
        """Where the store is to keep the answer; None when it is not to."""
        return attempt.place if attempt.cause is None else None

    def _await_turn(self, attempt: Attempt) -> None:
        """Have the slates of all turns before this one, and so leave out what they show."""
        if attempt.turn_has_come:
            return
        self._look([attempt])
        for name in attempt.before:
            block = attempt.snapshot.blocks.get(name)
            if name not in attempt.pins and block is not None:
                # Somebody else is at it just now; whoever pins first decides for both.
                other = attempt.of_block(block)
                said = rank(other.snapshot, [other.question()])[0]
                pinned = self._pinned([(other, self._chosen(other, said))])[0][1]
                attempt.pins = {**attempt.pins, name: pinned}

    def _without_model(self, attempt: Attempt) -> Choice | None:
        """A fresh choice that needs no scoring; None when it does."""
        if attempt.seen is None or attempt.seen.history is None:
            self._open(attempt)
            return self._lower(attempt)
        if attempt.ask.explain or not attempt.turn_has_come:
            return None
        return self._stored(attempt, attempt.seen.history)

    def _stored(self, attempt: Attempt, history: bytes) -> Choice | None:
        """The stored slate, when it is what the model would answer."""
        block, snapshot = attempt.block, attempt.snapshot
        rules = block, self._digests.of(block)
        stored = current_slate(attempt.publication, history, snapshot, rules, attempt.now)
        if stored is None:
            return None
        # All of them may be shown: they were chosen from the same catalogue.
        picks = picks_of(stored, block, attempt.wanted, attempt.others())
        if picks is None:
            return None
        attempt.made = "stored"
        at = int(attempt.now.timestamp())
        return Choice(slate_id(), Rung.MODEL, None, stored.model, tuple(picks), at)

    def _chosen(self, attempt: Attempt, ranked: Ranked | None) -> Choice:
        attempt.made = "lower" if ranked is None else "live"
        return choose(attempt.snapshot, attempt.question(), ranked)

    def _lower(self, attempt: Attempt) -> Choice:
        """The best rung below the model; what is the same for everybody is made once."""
        attempt.made = "lower"
        question = attempt.question()
        if question.profile is not None or question.exclude:
            return choose(attempt.snapshot, question, None)
        shared = self._shared_now(attempt)
        key = attempt.ask.block, question.count, question.cause
        known = shared.known.get(key)
        if known is None:
            known = shared.known[key] = choose(attempt.snapshot, question, None)
            return known
        return msgspec.structs.replace(known, slate=slate_id())

    def _shared_now(self, attempt: Attempt) -> _Shared:
        shared, snapshot, moment = self._shared, attempt.snapshot, microseconds(attempt.now)
        copy = snapshot.catalogue
        if (
            shared is None
            or shared.snapshot is not snapshot
            or len(shared.known) >= MOST_SHARED
            or (copy is not None and copy.changed_between(shared.moment, moment))
            or snapshot.overrides.changed_between(shared.moment, moment)
        ):
            shared = self._shared = _Shared(snapshot, moment, {})
        return shared

    def _pinned(self, chosen: Sequence[Made]) -> list[Made]:
        """Settle fresh choices, and pin those of a send; what was pinned before them stands."""
        settled = [(attempt, attempt.settle(choice)) for attempt, choice in chosen]
        asking = [
            (attempt, place, choice)
            for attempt, choice in settled
            if (place := self._open_place(attempt)) is not None
        ]
        pins = [(place, choice) for _, place, choice in asking]
        kept = self._ask_store([one for one, _, _ in asking], lambda: self._pins.pin(pins))
        stands = dict(zip((id(one) for one, _, _ in asking), kept or (), strict=False))
        return [(one, self._pin_here(one, stands.get(id(one), choice))) for one, choice in settled]

    def _pin_behind(self, pins: list[tuple[Place, Choice]]) -> None:
        """Let the store know of choices that were answered already."""
        if not self._breaker.closed:
            return
        try:
            self._pins.pin(pins)
        except StoreUnavailable:
            self.note_failure()
        except Exception:  # noqa: BLE001 - they are answered, and others come behind them
            self._metrics.internal.inc()
            _log.exception("pins lost", pins=len(pins))

    def _pin_here(self, attempt: Attempt, choice: Choice) -> Choice:
        """Remember a choice of a send; returns the one that stands."""
        place = attempt.place
        return choice if place is None else self.local.pin(place, choice)

    def _fill_up(self, attempt: Attempt, place: Place, pinned: Choice) -> Choice:
        """A pinned choice with enough to show; what filled it up is pinned as well."""
        attempt.made = "pinned"
        while continues(filled := attempt.filled(pinned), pinned):
            before = pinned
            kept = self._ask_store(
                [attempt] if attempt.cause is None else [],
                lambda: self._pins.fill_up(place, before, filled),  # noqa: B023 - called at once
            )
            if kept is None or not continues(kept, pinned):
                return self.local.pin(place, filled)
            pinned = self.local.pin(place, kept)
        return pinned

    def _without_store(self, attempt: Attempt, *, ranking: bool) -> Choice:
        try:
            if attempt.pinned is not None:
                return attempt.filled(attempt.pinned)
            self._open(attempt)
            if ranking and attempt.profile is not None:
                # Only the pins hang: that costs no quality.
                said = rank(attempt.snapshot, [attempt.question()])[0]
                return self._chosen(attempt, said)
            return self._lower(attempt)
        except Exception:  # noqa: BLE001 - the static rung needs nothing and can't fail
            self.note_unforeseen(attempt)
            return choose_static(attempt.block, attempt.count, Reason.FAILED)

    def _ask_store(self, attempts: Sequence[Attempt], call: Callable[[], _Found]) -> _Found | None:
        """What the store says; None when it can't be asked, and the attempts have the cause.

        Args:
            attempts: All for whom it is asked; none has a cause yet not to.
            call: The question.
        """
        if not attempts:
            return None
        if self._breaker.closed:
            waiting = object()
            for attempt in attempts:
                attempt.call = waiting
            try:
                found = call()
            except StoreUnavailable:
                self.note_failure()
            else:
                self._breaker.succeeded()
                return found
            finally:
                for attempt in attempts:
                    attempt.call = None
        for attempt in attempts:
            attempt.cause = attempt.cause or Reason.STORE
        return None
