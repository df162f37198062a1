"""The use cases of the scorer, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from features.errors import (
    InvalidArgument,
    NotFound,
    Problem,
    SettingsError,
    StoreUnavailable,
    TooLarge,
)
from features.event import MAX_TEXT, Event
from features.item import Item
from features.override import Override
from features.profile import NextBest
from features.stores.codec import encode_event
from serving.answering import Answers
from serving.attempt import Answer, Waiting
from serving.following import Follower
from serving.parts import Parts
from serving.ranking.blocks import MAX_SIZE
from serving.similar import Similar, similar_items
from serving.slate import Ask, Slate

MAX_CUSTOMERS = 1_000
"""Customers in one batch."""
WRITE_SECONDS = 10.0
"""How long a write may take before its sender is told to come back."""
LOCAL_WAIT = 2.0
"""Seconds that a start with local copies waits for news of what has changed meanwhile."""
_WRITERS = 32

_Result = TypeVar("_Result")


class CustomerScores(msgspec.Struct, frozen=True, kw_only=True):
    """What the pipeline last computed of one customer."""

    customer: str
    at: int
    segment: str | None
    scores: dict[str, float]
    bands: dict[str, str]
    features: dict[str, float]
    models: dict[str, str]
    affinities: dict[str, float]
    drivers: dict[str, float]
    next_best: NextBest | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is loaded and what answers.

    Attributes:
        ready: Whether an answer better than `static` can be given.
        model: The version that scores; None without one.
        previous: The version kept for roll-back.
        items: Items in the catalogue's copy.
        shelves: Names of the shelves in it.
        blocks: Names of the blocks.
        overrides: How many are obeyed, or will be.
        store: Whether the profile store answered last.
        registry: Whether the registry answered last.
        keys: How many API keys there are.
    """

    ready: bool
    model: str | None
    previous: str | None
    items: int
    shelves: tuple[str, ...]
    blocks: tuple[str, ...]
    overrides: int
    store: bool
    registry: bool
    keys: int


class Service:
    """Answers of one process. Its methods are called from one event loop.

    Args:
        parts: What it is made of.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._answers = Answers(parts)
        # Threads apart from those that answer: a wave of events must not hold up a template.
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="write")
        settings = parts.settings
        self._followers = (
            Follower("catalogue", settings.refresh_seconds, parts.catalogue.look),
            Follower("champion", settings.reload_seconds, parts.model.look),
            Follower("overrides", settings.refresh_seconds, parts.overrides.look),
            Follower("blocks", settings.refresh_seconds, parts.blocks_file.look),
        )
        self._started = False

    def start(self) -> None:
        """Load the local copies and follow catalogue, overrides and the `champion` alias; once.

        Returns when there is something to answer from, or when it has waited long enough.
        """
        parts = self._parts
        most = parts.settings.start_seconds
        followed = (parts.catalogue, parts.model, parts.overrides)
        local = [one.load_local() for one in followed]
        for follower in self._followers:
            follower.start()
        # Blocks, the last, are there already.
        for follower, loaded in zip(self._followers, local, strict=False):
            # The first look ends at once where a dependency is down; only one that hangs makes a
            # start from local copies wait, and not for long.
            follower.wait(min(LOCAL_WAIT, most) if loaded else most)
        parts.exposures.start()
        self._started = True

    def stop(self) -> None:
        """End what `start` began and close the stores."""
        self._started = False
        for follower in self._followers:
            follower.stop()
        self._answers.close()
        self._parts.exposures.close()
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._parts.stores.close()
        self._parts.log.close()

    def begin(self, ask: Ask, waiting: Waiting) -> None:
        """Have a template answered within the deadline, whatever is down.

        Args:
            ask: What it asks.
            waiting: Gets the answer, or `Overloaded` when far too many ask at once.

        Raises:
            InvalidArgument: The block is not configured, or `n` or `send` can't be used.
        """
        self._check(ask)
        self._answers.begin(ask, waiting)

    async def answer_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """The answers of a batch, in the order of the asks, whatever is down.

        Raises:
            InvalidArgument: As `begin`, or there is none.
            TooLarge: More than `MAX_CUSTOMERS`.
        """
        if not asks:
            reason, cure = "no customer", "name at least one"
            raise InvalidArgument.of(0, field="customers", reason=reason, cure=cure)
        check_customers(len(asks))
        for ask in asks:
            self._check(ask)
        return await self._answers.many(asks)

    async def answer(self, ask: Ask) -> Answer:
        """What a template is answered.

        Raises:
            InvalidArgument: As `begin`.
            Overloaded: Far too many ask at once.
        """
        self._check(ask)
        return await self._answers.one(ask)

    async def recommend(self, ask: Ask) -> Slate:
        """The slate of an `answer`."""
        return (await self.answer(ask)).slate

    async def similar(self, item: str, count: int) -> Similar:
        """The items most like one, best first.

        Raises:
            InvalidArgument: The count is out of its range.
            NotFound: Neither the model nor the catalogue knows the item.
        """
        _check_count(count)
        snapshot, now = self._parts.current.snapshot, self._parts.clock.now()
        return await self._in_thread(lambda: similar_items(snapshot, item, count, now))

    async def scores(self, customer: str) -> CustomerScores:
        """The customer's published scores.

        Args:
            customer: The key.

        Raises:
            NotFound: The customer is not known.
            StoreUnavailable: The profile store does not answer.
        """
        profile = await self._in_thread(lambda: self._parts.stores.profiles.get(customer))
        if profile is None:
            reason, cure = "not known", "send an event of this customer first"
            raise NotFound.of(customer, field="customer", reason=reason, cure=cure)
        published = profile.published
        return CustomerScores(
            customer=customer,
            at=published.at,
            segment=published.segment,
            scores=published.scores,
            bands=published.bands,
            features=published.features,
            models=published.models,
            affinities=published.affinities,
            drivers=published.drivers,
            next_best=published.next_best,
        )

    async def accept(self, events: Sequence[Event]) -> int:
        """Make the events durable; returns how many.

        Raises:
            StoreUnavailable: The event log can't be written just now, or not in time; sending the
                same events again is safe.
        """
        bodies = [encode_event(event) for event in events]
        await self._in_thread(lambda: self._parts.log.append(bodies))
        self._parts.metrics.events.inc(len(bodies))
        return len(bodies)

    async def put_items(self, items: Sequence[Item]) -> int:
        """Add or replace items; the next answers of this process show them.

        Raises:
            StoreUnavailable: The catalogue can't be written just now.
        """
        return await self._in_thread(lambda: self._parts.catalogue.put(items))

    async def overrides(self) -> tuple[Override, ...]:
        """All overrides that have not ended, in the order of their ids.

        Raises:
            StoreUnavailable: The catalogue can't be read just now.
        """
        return await self._in_thread(self._parts.overrides.kept)

    async def put_overrides(self, overrides: Sequence[Override]) -> int:
        """Add or replace overrides; the next answers of this process obey them.

        Raises:
            InvalidArgument: A block or an item is not known.
            TooLarge: There would be too many.
            StoreUnavailable: The catalogue can't be written just now.
        """
        return await self._in_thread(lambda: self._parts.overrides.put(overrides))

    async def drop_override(self, name: str) -> None:
        """Drop an override; the next answers of this process do without it.

        Raises:
            NotFound: There is none of this id.
            StoreUnavailable: The catalogue can't be written just now.
        """
        if not await self._in_thread(lambda: self._parts.overrides.drop(name)):
            reason, cure = "no such override", "see GET /v1/overrides"
            raise NotFound.of(name, field="id", reason=reason, cure=cure)

    def status(self) -> Status:
        """What is loaded and what answers."""
        parts, snapshot = self._parts, self._parts.current.snapshot
        copy = snapshot.catalogue
        return Status(
            ready=self._started and parts.readiness.ready,
            model=None if snapshot.model is None else snapshot.model.name,
            previous=None if snapshot.previous is None else snapshot.previous.name,
            items=0 if copy is None else len(copy.items),
            shelves=() if copy is None else tuple(copy.shelves),
            blocks=tuple(snapshot.blocks),
            overrides=sum(not one.ended(parts.clock.now()) for one in snapshot.overrides.all),
            store=parts.catalogue.store_up,
            registry=parts.model.registry_up,
            keys=self._count_keys(),
        )

    def _count_keys(self) -> int:
        try:
            return len(self._parts.keys.all())
        except SettingsError:
            return 0

    def _check(self, ask: Ask) -> None:
        blocks = self._parts.current.snapshot.blocks
        if ask.block not in blocks:
            reason, cure = "no such block", f"choose among {', '.join(blocks)}"
            raise InvalidArgument.of(ask.block, field="block", reason=reason, cure=cure)
        if ask.n is not None:
            _check_count(ask.n)
        send = ask.send
        if send is not None and not (0 < len(send) <= MAX_TEXT and send.isprintable()):
            reason, cure = "not a usable id", f"send 1 to {MAX_TEXT} printable characters"
            raise InvalidArgument.of(send, field="send", reason=reason, cure=cure)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        """The result of blocking work; a dependency that hangs becomes `StoreUnavailable`."""
        doing = asyncio.get_running_loop().run_in_executor(self._writers, work)
        try:
            return await asyncio.wait_for(doing, WRITE_SECONDS)
        except TimeoutError as error:
            self._parts.metrics.failures.labels("store").inc()
            message = f"a store did not answer within {WRITE_SECONDS:.0f} s: ask again later"
            raise StoreUnavailable(message) from error
        except StoreUnavailable:
            self._parts.metrics.failures.labels("store").inc()
            raise


def check_customers(count: int) -> None:
    """Whether a batch is small enough.

    Raises:
        TooLarge: More than `MAX_CUSTOMERS`.
    """
    if count > MAX_CUSTOMERS:
        problem = Problem(
            index=None,
            field="customers",
            value=f"{count} customers",
            reason=f"more than {MAX_CUSTOMERS}",
            cure="ask for them in several requests",
        )
        raise TooLarge([problem])


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_SIZE:
        reason, cure = "out of range", f"send 1 to {MAX_SIZE}"
        raise InvalidArgument.of(count, field="n", reason=reason, cure=cure)
