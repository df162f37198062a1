"""Makes choices, several at once: one look at the stores, turns, stored slates, the model, pins.

Everything here may block, so it runs in threads; `serving.answering` keeps the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from serving.asking import Asking
from serving.attempt import Attempt, Made
from serving.fallback import Ranked, choose, choose_static, rank
from serving.parts import Parts
from serving.ranking.columns import microseconds
from serving.recall import Recall
from serving.slate import Choice, Reason, Rung, slate_id
from serving.snapshot import Snapshot
from serving.stored import Digests, current_slate, picks_of

MOST_SHARED: Final = 4_096
"""Answers for everybody that are remembered, before all are made again."""

_log = structlog.get_logger(__name__)


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
        asking: Asks the stores.
    """

    def __init__(self, parts: Parts, asking: Asking) -> None:
        self._asking = asking
        self._current = parts.current
        self._metrics = parts.metrics
        self._digests = Digests()
        self._recall = Recall(parts.metrics)
        self._shared: _Shared | None = None

    def read(self, attempts: Sequence[Attempt]) -> tuple[list[Made], list[Attempt]]:
        """Look everything up, and answer all that needs no model.

        Args:
            attempts: At least one; no two blocks of the same send.

        Returns:
            What was answered, and the attempts that are to be ranked.
        """
        self._use_newest(attempts)
        self._asking.look(attempts)
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
        self._asking.take_turns(fresh)
        chosen: list[Made] = []
        for attempt in fresh:
            choice = self._without_model(attempt)
            if choice is None:
                rest.append(attempt)
            else:
                chosen.append((attempt, choice))
        return made + self._asking.pin(chosen), rest

    def rank(self, attempts: Sequence[Attempt]) -> list[Made]:
        """Choose what `read` left over, all scored at once.

        Args:
            attempts: At least one, as `read` gave them.

        Returns:
            Settled choices; those that are fresh are still to be pinned.
        """
        self._use_newest(attempts)
        fresh: list[Attempt] = []
        made: list[Made] = []
        for attempt in attempts:
            self._asking.open(attempt)
            pinned, place = attempt.pinned, attempt.place
            if pinned is not None and place is not None:
                attempt.made = "pinned"
                made.append((attempt, attempt.settle(self._asking.fill_up(attempt, place, pinned))))
            else:
                self._await_turn(attempt)
                fresh.append(attempt)
        if fresh:
            questions = [attempt.question() for attempt in fresh]
            ranked = rank(fresh[0].snapshot, questions)
            self._recall.note(fresh[0].snapshot, questions, ranked)
            for attempt, said in zip(fresh, ranked, strict=True):
                made.append((attempt, attempt.settle(self._chosen(attempt, said))))
        return made

    def lower(self, attempt: Attempt, reason: Reason) -> Made:
        """Answer what `read` left over from a lower rung than the model.

        Args:
            attempt: As `read` gave it.
            reason: Why.
        """
        self._asking.open(attempt)
        attempt.hurry = reason
        pinned, place = attempt.pinned, attempt.place
        if pinned is not None and place is not None:
            attempt.made = "pinned"
            return attempt, attempt.settle(self._asking.fill_up(attempt, place, pinned))
        self._await_turn(attempt)
        return self._asking.pin([(attempt, self._lower(attempt))])[0]

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
            attempt.pins = {**attempt.pins, **self._asking.local.of_send(*place[:2])}
        settled = attempt.settled
        choice = settled or attempt.settle(self._without_store(attempt, ranking=ranking))
        standing = self._asking.pin_here(attempt, choice)
        if place is not None:
            self._asking.pin_later(place, standing)
        return standing

    def close(self) -> None:
        """Measure nothing more."""
        self._recall.close()

    def note_unforeseen(self, attempt: Attempt) -> None:
        """Count and log an error that nobody foresaw."""
        self._metrics.internal.inc()
        _log.exception("answer failed", customer=attempt.ask.customer, block=attempt.ask.block)

    def _use_newest(self, attempts: Sequence[Attempt]) -> None:
        """One snapshot for all of them: a swap in the middle must not split their scores."""
        snapshot = self._current.snapshot
        for attempt in attempts:
            attempt.use(snapshot)

    def _await_turn(self, attempt: Attempt) -> None:
        """Have the slates of all turns before this one, and so leave out what they show."""
        if attempt.turn_has_come:
            return
        self._asking.look([attempt])
        for name in attempt.before:
            block = attempt.snapshot.blocks.get(name)
            if name not in attempt.pins and block is not None:
                # Somebody else is at it just now; whoever pins first decides for both.
                other = attempt.of_block(block)
                said = rank(other.snapshot, [other.question()])[0]
                pinned = self._asking.pin([(other, self._chosen(other, said))])[0][1]
                attempt.pins = {**attempt.pins, name: pinned}

    def _without_model(self, attempt: Attempt) -> Choice | None:
        """A fresh choice that needs no scoring and no other slate; None when it does."""
        if attempt.seen is None:
            return self._lower(attempt)
        if not attempt.turn_has_come:
            return None
        if attempt.seen.history is None:
            self._asking.open(attempt)
            return self._lower(attempt)
        if attempt.ask.explain:
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

    def _without_store(self, attempt: Attempt, *, ranking: bool) -> Choice:
        try:
            if attempt.pinned is not None:
                return attempt.filled(attempt.pinned)
            self._asking.open(attempt)
            if ranking and attempt.profile is not None:
                # Only the pins hang: that costs no quality.
                said = rank(attempt.snapshot, [attempt.question()])[0]
                return self._chosen(attempt, said)
            return self._lower(attempt)
        except Exception:  # noqa: BLE001 - the static rung needs nothing and can't fail
            self.note_unforeseen(attempt)
            return choose_static(attempt.block, attempt.count, Reason.FAILED)
