"""The use cases of the scorer, without HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from features.event import Event
from features.item import Item
from serving.slate import Ask, Slate, SlateItem


class CustomerScores(msgspec.Struct, frozen=True, kw_only=True):
    """What the pipeline last computed of one customer."""

    customer: str
    at: int
    segment: str | None
    scores: dict[str, float]
    bands: dict[str, str]
    features: dict[str, float]
    models: dict[str, str]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What is loaded and what answers.

    Attributes:
        ready: Whether an answer better than `static` can be given.
        model: The version that scores; None without one.
        previous: The version kept for roll-back.
        items: Items in the catalogue's copy.
        shelves: Names of the shelves in it.
        blocks: Names of the blocks.
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
    store: bool
    registry: bool
    keys: int


class Service:
    """Answers of one process. Every method may be called from several threads or one loop."""

    def start(self) -> None:
        """Load the local copies and follow the catalogue and the `champion` alias."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what `start` began and close the stores."""
        raise NotImplementedError

    async def recommend(self, ask: Ask) -> Slate:
        """One slate within the deadline, whatever is down.

        Raises:
            InvalidArgument: The block is not configured, or `n` is out of its range.
        """
        raise NotImplementedError

    async def recommend_many(
        self, customers: Sequence[str], block: str, send: str | None, n: int | None
    ) -> list[Slate]:
        """A slate for each customer key, in their order.

        Raises:
            InvalidArgument: As `recommend`, or more than 1,000 customers.
        """
        raise NotImplementedError

    async def similar(self, item: str, n: int) -> list[SlateItem]:
        """The items most like one, best first.

        Raises:
            NotFound: Neither the model nor the catalogue knows the item.
        """
        raise NotImplementedError

    async def scores(self, customer: str) -> CustomerScores:
        """The customer's published scores.

        Raises:
            NotFound: The customer is not known.
            StoreUnavailable: The profile store does not answer.
        """
        raise NotImplementedError

    async def accept(self, events: Sequence[Event]) -> int:
        """Make the events durable; returns how many.

        Raises:
            StoreUnavailable: The event log can't be written just now; nothing was kept.
        """
        raise NotImplementedError

    async def put_items(self, items: Sequence[Item]) -> int:
        """Add or replace items; the next answers of this process show them.

        Raises:
            StoreUnavailable: The catalogue can't be written just now.
        """
        raise NotImplementedError

    def status(self) -> Status:
        """What is loaded and what answers."""
        raise NotImplementedError
