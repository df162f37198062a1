"""One answer in the making: what was asked, what is known by now, and what was settled."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec import UNSET

from features.item import Item
from features.profile import Profile
from serving.fallback import Question, choose, find_item, rank
from serving.ranking.blocks import Block
from serving.slate import Ask, Choice, Pick, Reason, Slate, draw
from serving.snapshot import Snapshot


@dataclass
class Attempt:
    """Shared by the thread that makes an answer and the loop that waits for it.

    Attributes:
        ask: What is asked.
        block: Its rules.
        snapshot: What there is to answer from.
        now: The moment of asking, aware.
        pins: Block → choice, of the same send.
        turns: Blocks of the send in the order of their turns, as far as they are known.
        profile: As read; None before, or when the customer is not known.
        read: Whether the profile was read.
        cause: Why the store is not asked, or not any more.
        settled: The choice that stands; None before.
    """

    ask: Ask
    block: Block
    snapshot: Snapshot
    now: datetime
    pins: Mapping[str, Choice] = field(default_factory=dict)
    turns: tuple[str, ...] = ()
    profile: Profile | None = None
    read: bool = False
    cause: Reason | None = None
    settled: Choice | None = None
    _settling: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def count(self) -> int:
        """Items that the answer shows."""
        return self.block.size if self.ask.n is None else self.ask.n

    @property
    def pinned(self) -> Choice | None:
        """What this block of this send was answered before."""
        return self.pins.get(self.ask.block)

    def of_block(self, block: Block) -> Attempt:
        """The attempt at another block of the same send, knowing what this one knows."""
        return Attempt(
            ask=msgspec.structs.replace(self.ask, block=block.name, n=None),
            block=block,
            snapshot=self.snapshot,
            now=self.now,
            pins=self.pins,
            profile=self.profile,
            cause=self.cause,
        )

    def settle(self, choice: Choice) -> Choice:
        """The first choice stands; returns the one that does."""
        with self._settling:
            if self.settled is None:
                self.settled = choice
            return self.settled

    def question(self) -> Question:
        """What the ladder is asked.

        A pinned slate has the block's whole size even when fewer are shown, so that a template
        which asks for more of it later sees the same items first.
        """
        count = self.count if self.ask.send is None else max(self.count, self.block.size)
        return self._question(count, ())

    def stands(self, pinned: Choice) -> bool:
        """Whether a pinned slate can be shown without filling up."""
        return len(self._showable(pinned)) >= self.count

    def filled(self, pinned: Choice) -> Choice:
        """A pinned slate with the next best behind it, in place of what can't be shown any more."""
        if self.stands(pinned):
            return pinned
        missing = self.count - len(self._showable(pinned))
        question = self._question(missing, [pick.item for pick in pinned.picks])
        ranked = rank(self.snapshot, [question])[0]
        more = choose(self.snapshot, question, ranked).picks
        return msgspec.structs.replace(pinned, picks=pinned.picks + more)

    def drawn(self, choice: Choice) -> Slate:
        """The answer, as a template reads it, with nothing that can't be shown."""
        shown = self._showable(choice)[: self.count]
        return Slate(
            slate=choice.slate,
            customer=self.ask.customer,
            block=self.ask.block,
            send=self.ask.send,
            served_by=choice.served_by,
            reason=choice.reason,
            model=choice.model,
            count=len(shown),
            items=tuple(
                draw(item, position, pick.because, pick.moved if self.ask.explain else UNSET)
                for position, (item, pick) in enumerate(shown, start=1)
            ),
        )

    def _question(self, count: int, exclude: Iterable[str]) -> Question:
        others = {
            pick.item
            for block, choice in self.pins.items()
            if block != self.ask.block
            for pick in choice.picks
        }
        return Question(
            block=self.block,
            count=count,
            now=self.now,
            profile=self.profile,
            cause=self.cause,
            exclude=frozenset(others.union(exclude)),
        )

    def _showable(self, choice: Choice) -> list[tuple[Item, Pick]]:
        found = [(find_item(self.snapshot, self.block, pick.item), pick) for pick in choice.picks]
        return [
            (item, pick) for item, pick in found if item is not None and item.available_at(self.now)
        ]
