"""One answer in the making: what was asked, what is known by now, and what was settled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec import UNSET

from features.profile import Profile
from features.stores.ports import Seen
from serving.breaker import Call
from serving.drawing import Shown, draw_static, encode_slate
from serving.fallback import Question, choose, find_item, rank
from serving.packed import Drawn
from serving.pinning import Place
from serving.ranking.blocks import Block
from serving.ranking.columns import microseconds
from serving.slate import Ask, Choice, Reason, Slate, SlateItem, draw
from serving.snapshot import Snapshot
from serving.stored import NOTHING, Publication

_NONE: Final = frozenset[str]()
_settling = threading.Lock()


class Waiting(Protocol):
    """Who waits for an answer: a future, or what writes it at once. Used in its loop alone."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Where it waits; from any thread."""
        ...

    def done(self) -> bool:
        """Whether it has what it waited for, or has gone away."""
        ...

    def set_result(self, answer: Answer, /) -> None:
        """Here it is."""
        ...

    def set_exception(self, error: Exception, /) -> None:
        """There is none."""
        ...


class Attempt(msgspec.Struct, eq=False):
    """Shared by the thread that makes an answer and the loop that waits for it.

    Attributes:
        ask: What is asked.
        block: Its rules.
        snapshot: What there is to answer from.
        now: The moment of asking, aware.
        waiting: Gets the answer; None where nobody waits in a loop, or not any more.
        until: When that is over, by `time.monotonic`.
        pins: Block → choice, of the same send.
        turns: Blocks of the send in the order of their turns, as far as they are known.
        before: Those whose turns come before this one's.
        seen: What the store has; None before.
        publication: What of it was published.
        profile: Of the customer; None before, or when there is none.
        call: The call to the store that this waits for just now; None where it waits for none.
        cause: Why the store is not asked, or not any more.
        hurry: Why the model is not asked; None where it is.
        settled: The choice that stands; None before.
        made: What it was made from, as `serving.metrics` counts it.
    """

    ask: Ask
    block: Block
    snapshot: Snapshot
    now: datetime
    waiting: Waiting | None = None
    until: float = 0.0
    pins: Mapping[str, Choice] = {}
    turns: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    seen: Seen | None = None
    publication: Publication = NOTHING
    profile: Profile | None = None
    call: Call | None = None
    cause: Reason | None = None
    hurry: Reason | None = None
    settled: Choice | None = None
    made: str = "lower"
    _looked_at: tuple[Choice, Snapshot, list[Shown]] | None = None
    _encoded: tuple[Choice, Snapshot, bytes] | None = None
    _moment: int = 0

    def __post_init__(self) -> None:
        self._moment = microseconds(self.now)

    @property
    def count(self) -> int:
        """Items that the answer shows."""
        return self.block.size if self.ask.n is None else self.ask.n

    @property
    def wanted(self) -> int:
        """Items that a fresh choice has: the block's whole size, even when fewer are shown.

        A template that asks for more of a pinned slate later sees the same items first.
        """
        return max(self.count, self.block.size)

    @property
    def place(self) -> Place | None:
        """Where the answer is pinned; None when it is not."""
        ask = self.ask
        return None if ask.send is None else (ask.customer, ask.send, ask.block)

    @property
    def pinned(self) -> Choice | None:
        """What this block of this send was answered before."""
        return self.pins.get(self.ask.block)

    @property
    def turn_has_come(self) -> bool:
        """Whether the slates of all turns before are known."""
        return all(block in self.pins for block in self.before)

    def use(self, snapshot: Snapshot) -> None:
        """Answer from this snapshot, by its rules."""
        self.snapshot = snapshot
        self.block = snapshot.blocks.get(self.ask.block, self.block)

    def of_block(self, block: Block) -> Attempt:
        """The attempt at another block of the same send, knowing what this one knows."""
        return Attempt(
            ask=msgspec.structs.replace(self.ask, block=block.name, n=None),
            block=block,
            snapshot=self.snapshot,
            now=self.now,
            pins=self.pins,
            seen=self.seen,
            publication=self.publication,
            profile=self.profile,
            cause=self.cause,
        )

    def settle(self, choice: Choice) -> Choice:
        """The first choice stands, dated from then on; returns the one that does."""
        with _settling:
            if self.settled is None:
                if not choice.at:
                    choice = msgspec.structs.replace(choice, at=int(self.now.timestamp()))
                self.settled = choice
            return self.settled

    def question(self) -> Question:
        """What the ladder is asked."""
        return self._question(self.wanted, ())

    def stands(self, pinned: Choice) -> bool:
        """Whether a pinned slate can be shown without filling up."""
        return len(self._shown(pinned)) >= self.count

    def filled(self, pinned: Choice) -> Choice:
        """A pinned slate with the next best behind it, in place of what can't be shown any more."""
        if self.stands(pinned):
            return pinned
        missing = self.count - len(self._shown(pinned))
        question = self._question(missing, [pick.item for pick in pinned.picks])
        ranked = rank(self.snapshot, [question])[0]
        more = choose(self.snapshot, question, ranked).picks
        return msgspec.structs.replace(pinned, picks=pinned.picks + more)

    def drawn(self, choice: Choice) -> Slate:
        """The answer, with nothing that can't be shown."""
        items: list[SlateItem] = []
        for _, pick in self._shown(choice):
            item = find_item(self.snapshot, self.block, pick.item)
            if item is not None:
                moved = pick.moved if self.ask.explain else UNSET
                items.append(draw(item, len(items) + 1, pick.because, moved))
        return Slate(
            slate=choice.slate,
            customer=self.ask.customer,
            block=self.ask.block,
            send=self.ask.send,
            served_by=choice.served_by,
            reason=choice.reason,
            model=choice.model,
            count=len(items),
            items=tuple(items),
        )

    def encoded(self, choice: Choice) -> bytes:
        """The answer as it is sent: what `drawn` gives, in JSON; made once."""
        known = self._encoded
        if known is None or known[0] is not choice or known[1] is not self.snapshot:
            body = encode_slate(self.ask, choice, self._shown(choice))
            known = self._encoded = choice, self.snapshot, body
        return known[2]

    def others(self) -> Set[str]:
        """The items of the send's other blocks."""
        if not self.pins:
            return _NONE
        return {
            pick.item
            for block, choice in self.pins.items()
            if block != self.ask.block
            for pick in choice.picks
        }

    def _question(self, count: int, exclude: Iterable[str]) -> Question:
        return Question(
            block=self.block,
            count=count,
            now=self.now,
            profile=self.profile,
            cause=self.cause or self.hurry,
            exclude=frozenset(self.others()).union(exclude),
        )

    def _shown(self, choice: Choice) -> list[Shown]:
        """The first picks that may be shown at this moment, as many as are asked for."""
        known = self._looked_at
        if known is not None and known[0] is choice and known[1] is self.snapshot:
            return known[2]
        snapshot, copy = self.snapshot, self.snapshot.catalogue
        banned = snapshot.overrides.orders(
            self.block.name, self.publication.segment, self.now
        ).banned
        picks = [pick for pick in choice.picks if pick.item not in banned]
        items = [pick.item for pick in picks]
        drawn = len(items) * [None] if copy is None else copy.ready(items, self._moment)
        shown = [
            (ready, pick)
            for found, pick in zip(drawn, picks, strict=True)
            if (ready := found or self._static(pick.item)) is not None
        ][: self.count]
        self._looked_at = choice, snapshot, shown
        return shown

    def _static(self, item: str) -> Drawn | None:
        """A static item, unless the catalogue has it and knows better."""
        copy = self.snapshot.catalogue
        if copy is not None and item in copy.items:
            return None
        static = next((one for one in self.block.items if one.id == item), None)
        return draw_static(static) if static is not None and static.available_at(self.now) else None


class Answer(NamedTuple):
    """What a template is answered.

    Attributes:
        attempt: How it came about; draws it.
        choice: What was chosen.
    """

    attempt: Attempt
    choice: Choice

    @property
    def slate(self) -> Slate:
        """The answer."""
        return self.attempt.drawn(self.choice)

    @property
    def body(self) -> bytes:
        """The answer in JSON."""
        return self.attempt.encoded(self.choice)


Made = tuple[Attempt, Choice]
"""An attempt and the choice that it is answered with."""
