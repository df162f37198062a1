"""One slate within the deadline: pins, profile, ladder, pin.

The work runs in a thread, because a store may hang; the loop waits no longer than the deadline and
then answers from what the thread has found by then. Whoever is first settles the answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import structlog

from features.errors import StoreUnavailable
from serving.attempt import Attempt
from serving.fallback import Ranked, choose, choose_static, rank
from serving.parts import Parts
from serving.pinning import LocalPins, Place, StorePins, continues
from serving.slate import Ask, Choice, Reason, Slate

CHUNK = 32
"""Customers of a batch that are scored at once; bounds the memory of their scores."""
_STRIPES = 256
_BATCHES = 2
"""Batches that are worked on at once; more of them wait."""
_log = structlog.get_logger(__name__)
_Found = TypeVar("_Found")


class Answers:
    """Makes slates.

    Args:
        parts: What they are made from.
    """

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self._profiles = parts.stores.profiles
        self._pins = StorePins(parts.stores.pins, settings.pin_seconds)
        self._local = LocalPins(settings.pin_seconds, parts.clock)
        self._blocks = parts.blocks
        self._current = parts.current
        self._breaker = parts.breaker
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._deadline = settings.deadline_ms / 1_000
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="answer")
        # Threads apart: batches must not hold up a template.
        self._batches = ThreadPoolExecutor(_BATCHES, thread_name_prefix="batch")
        self._turns = [threading.Lock() for _ in range(_STRIPES)]

    def close(self) -> None:
        """Make nothing more."""
        for pool in (self._pool, self._batches):
            pool.shutdown(wait=False, cancel_futures=True)

    async def one(self, ask: Ask) -> Slate:
        """The slate, within the deadline, whatever is down. The block must be a known one."""
        attempt = self._attempt(ask)
        if not self._breaker.closed:
            # Not even a thread: those there are may all be waiting for the store.
            return self._drawn(attempt, self._at_hand(attempt, Reason.STORE))
        try:
            making = asyncio.get_running_loop().run_in_executor(self._pool, self._make, attempt)
            choice = await asyncio.wait_for(making, self._deadline)
        except TimeoutError:
            self._store_failed()
            choice = self._at_hand(attempt, Reason.DEADLINE)
        except Exception:  # noqa: BLE001 - a template always gets an answer
            self._unforeseen(attempt)
            choice = self._at_hand(attempt, Reason.FAILED)
        return self._drawn(attempt, choice)

    async def many(self, asks: Sequence[Ask]) -> list[Slate]:
        """The slates of one batch, in the order of the asks; no deadline but the stores' own."""
        attempts = [self._attempt(ask) for ask in asks]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._batches, self._make_many, attempts)

    def _attempt(self, ask: Ask) -> Attempt:
        block, now = self._blocks[ask.block], self._clock.now()
        return Attempt(ask, block, self._current.snapshot, now)

    def _make(self, attempt: Attempt) -> Choice:
        """All the work of one answer, in a thread."""
        with self._turn(attempt.ask):
            self._read_pins(attempt)
            pinned = attempt.pinned
            if pinned is None or not attempt.stands(pinned):
                self._read_profile(attempt)
            if pinned is not None:
                return self._decide(attempt, None)
            self._take_turn(attempt)
            return self._decide(attempt, rank(attempt.snapshot, [attempt.question()])[0])

    def _make_many(self, attempts: Sequence[Attempt]) -> list[Slate]:
        """All the work of one batch, in a thread."""
        try:
            choices = self._choose_many(attempts)
        except Exception:  # noqa: BLE001 - a template always gets an answer
            self._unforeseen(attempts[0])
            choices = [self._at_hand(attempt, Reason.FAILED) for attempt in attempts]
        return [self._drawn(*answered) for answered in zip(attempts, choices, strict=True)]

    def _choose_many(self, attempts: Sequence[Attempt]) -> list[Choice]:
        for attempt in attempts:
            self._read_pins(attempt)
        self._read_profiles(attempts)
        for attempt in attempts:
            self._take_turn(attempt)
        choices = []
        for start in range(0, len(attempts), CHUNK):
            chunk = attempts[start : start + CHUNK]
            # One snapshot for all of a chunk: a swap in the middle must not split its scores.
            ranked = rank(chunk[0].snapshot, [attempt.question() for attempt in chunk])
            for attempt, answer in zip(chunk, ranked, strict=True):
                attempt.snapshot = chunk[0].snapshot
                choices.append(self._decide(attempt, answer))
        return choices

    def _decide(self, attempt: Attempt, ranked: Ranked | None) -> Choice:
        """What was pinned, filled up if need be; or a fresh choice, pinned from now on."""
        place = _place(attempt.ask)
        if place is not None and attempt.pinned is not None:
            return attempt.settle(self._fill_up(attempt, place, attempt.pinned))
        choice = attempt.settle(choose(attempt.snapshot, attempt.question(), ranked))
        if place is None:
            return choice
        kept = self._ask_store(attempt, lambda: self._pins.pin(place, choice))
        return self._local.pin(place, choice if kept is None else kept)

    def _fill_up(self, attempt: Attempt, place: Place, pinned: Choice) -> Choice:
        """A pinned choice with enough to show; what filled it up is pinned as well."""
        while continues(filled := attempt.filled(pinned), pinned):
            before = pinned
            kept = self._ask_store(attempt, lambda: self._pins.fill_up(place, before, filled))  # noqa: B023 - called at once
            if kept is None or not continues(kept, pinned):
                return self._local.pin(place, filled)
            pinned = self._local.pin(place, kept)
        return pinned

    def _take_turn(self, attempt: Attempt) -> None:
        """See to it that the slates of all turns before this one are known, and so excluded."""
        place = _place(attempt.ask)
        if place is None or attempt.pinned is not None:
            return
        turns = attempt.turns
        before = self._ask_store(attempt, lambda: self._pins.take_turn(place, turns)) or ()
        if any(block not in attempt.pins for block in before):
            self._read_pins(attempt)
        for name in before:
            block = self._blocks.get(name)
            if name not in attempt.pins and block is not None:
                # Somebody else is at it just now; whoever pins first decides for both.
                other = attempt.of_block(block)
                ranked = rank(other.snapshot, [other.question()])[0]
                attempt.pins = {**attempt.pins, name: self._decide(other, ranked)}

    @contextmanager
    def _turn(self, ask: Ask) -> Iterator[None]:
        """One block of a send after the other, so that each sees what the others show."""
        if ask.send is None:
            yield
            return
        turn = self._turns[hash((ask.customer, ask.send)) % _STRIPES]
        # One that hangs before us must not take our answer with it.
        ours = turn.acquire(timeout=self._deadline / 2)
        try:
            yield
        finally:
            if ours:
                turn.release()

    def _read_pins(self, attempt: Attempt) -> None:
        customer, send = attempt.ask.customer, attempt.ask.send
        if send is None:
            return
        local = self._local.of_send(customer, send)
        attempt.pins = local
        stored = self._ask_store(attempt, lambda: self._pins.of_send(customer, send))
        if stored is not None:
            # Remembered, so that a store that is lost from now on takes no slate of the send along.
            attempt.pins = local | {
                block: self._local.pin((customer, send, block), choice)
                for block, choice in stored.choices.items()
            }
            attempt.turns = stored.turns

    def _read_profile(self, attempt: Attempt) -> None:
        attempt.profile = self._ask_store(attempt, lambda: self._profiles.get(attempt.ask.customer))
        attempt.read = attempt.cause is None

    def _read_profiles(self, attempts: Sequence[Attempt]) -> None:
        customers = list({attempt.ask.customer for attempt in attempts})
        asking = attempts[0]
        found = self._ask_store(asking, lambda: self._profiles.get_many(customers)) or {}
        for attempt in attempts:
            attempt.cause = attempt.cause or asking.cause
            attempt.profile = found.get(attempt.ask.customer)

    def _ask_store(self, attempt: Attempt, call: Callable[[], _Found]) -> _Found | None:
        """What the store says; None when it can't be asked, and the attempt has the cause."""
        if attempt.cause is None and not self._breaker.closed:
            attempt.cause = Reason.STORE
        if attempt.cause is not None:
            return None
        try:
            found = call()
        except StoreUnavailable:
            self._store_failed()
            attempt.cause = Reason.STORE
            return None
        self._breaker.succeeded()
        return found

    def _store_failed(self) -> None:
        self._breaker.failed()
        self._metrics.failures.labels("store").inc()

    def _at_hand(self, attempt: Attempt, cause: Reason) -> Choice:
        """What can be answered at once, in the loop; the thread asks the store no further."""
        attempt.cause = cause
        place = _place(attempt.ask)
        if place is not None:
            attempt.pins = {**attempt.pins, **self._local.of_send(*place[:2])}
        choice = attempt.settled or attempt.settle(self._without_store(attempt))
        return choice if place is None else self._local.pin(place, choice)

    def _without_store(self, attempt: Attempt) -> Choice:
        try:
            if attempt.pinned is not None:
                return attempt.filled(attempt.pinned)
            question = attempt.question()
            # With the profile read, only the pins hang: that costs no quality.
            ranked = rank(attempt.snapshot, [question])[0] if attempt.read else None
            return choose(attempt.snapshot, question, ranked)
        except Exception:  # noqa: BLE001 - the static rung needs nothing and can't fail
            self._unforeseen(attempt)
            return choose_static(attempt.block, attempt.count, Reason.FAILED)

    def _unforeseen(self, attempt: Attempt) -> None:
        self._metrics.internal.inc()
        _log.exception("answer failed", customer=attempt.ask.customer, block=attempt.ask.block)

    def _drawn(self, attempt: Attempt, choice: Choice) -> Slate:
        slate = attempt.drawn(choice)
        self._metrics.answers.labels(slate.served_by, slate.reason or "").inc()
        return slate


def _place(ask: Ask) -> Place | None:
    """Where an answer is pinned; None when it is not."""
    return None if ask.send is None else (ask.customer, ask.send, ask.block)
