"""What a rehearsal heard: every slate looked at as it comes, and added up at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple

import msgspec
import numpy as np

from features.errors import UNDECODABLE
from homing.rehearsal.measured import OK, Measured
from homing.rehearsal.report import Blank, Dominant, RungShare

PLATFORM_SECONDS: Final = 2.0
"""How long e-mail platforms wait for a block before they drop it."""
TOP: Final = 10
"""Items that are named for being shown most."""


class _Item(msgspec.Struct, frozen=True):
    id: str
    title: str = ""


class Seen(msgspec.Struct, frozen=True):
    """What is read of an answer."""

    slate: str
    served_by: str
    items: tuple[_Item, ...]
    reason: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The items that are shown, in their order."""
        return tuple(item.id for item in self.items)


class Fetch(NamedTuple):
    """One template fetch of a rehearsal.

    Attributes:
        recipient: Place in the list, from 0.
        block: The block's name.
        again: Whether the same was asked before.
    """

    recipient: int
    block: str
    again: bool


_decoder = msgspec.json.Decoder(Seen)


@dataclass(frozen=True, eq=False)
class Findings:
    """What is wrong with what was heard, and how it spreads.

    Attributes:
        rungs: How many slates came from each rung, for each reason; the most first.
        blanks: Fetches that would show nothing or too little, by why.
        examples: Some of them.
        twice: Slates that show an item twice.
        across: Recipients who get an item in two blocks.
        differing: Fetches that were answered otherwise when they were repeated.
        dominant: The items that most slates show.
        items: How many different items are shown.
        top_share: Share of all places that the dominant items take.
    """

    rungs: tuple[RungShare, ...]
    blanks: Mapping[str, int]
    examples: tuple[Blank, ...]
    twice: int
    across: int
    differing: int
    dominant: tuple[Dominant, ...]
    items: int
    top_share: float


class Listener:
    """Hears every answer of a rehearsal.

    Args:
        fetches: What is asked, in the order of the requests' numbers.
    """

    def __init__(self, fetches: Sequence[Fetch]) -> None:
        self._fetches = fetches
        self.seen: dict[int, Seen] = {}
        self.refused: dict[int, str] = {}

    def heard(self, number: int, status: int, body: bytes) -> None:
        """Take an answer in."""
        if status != OK:
            self.refused[number] = f"status {status}"
            return
        try:
            self.seen[number] = _decoder.decode(body)
        except UNDECODABLE:
            self.refused[number] = "no slate in it"

    def findings(self, measured: Measured, sizes: Mapping[str, int]) -> Findings:
        """All of it, added up.

        Args:
            measured: The load's own record.
            sizes: Items that a slate of a block has to show; of a block that is not there, as many
                as its longest slate has.
        """
        why = self._blanks(measured, sizes)
        counted = Counter(why.values())
        examples = tuple(
            Blank(self._fetches[number].recipient + 1, self._fetches[number].block, why[number])
            for number in sorted(why)[:TOP]
        )
        dominant, items, share = self._spread()
        return Findings(
            rungs=self._rungs(),
            blanks=dict(counted.most_common()),
            examples=examples,
            twice=sum(len(set(seen.ids)) < len(seen.ids) for _, seen in self._first()),
            across=self._across(),
            differing=self._differing(),
            dominant=dominant,
            items=items,
            top_share=share,
        )

    def _first(self) -> Iterator[tuple[int, Seen]]:
        """The answers to first fetches."""
        return (pair for pair in self.seen.items() if not self._fetches[pair[0]].again)

    def _blanks(self, measured: Measured, sizes: Mapping[str, int]) -> dict[int, str]:
        """Number of a fetch → why its reader would see too little."""
        wanted = dict(sizes)
        for number, seen in self.seen.items():
            block = self._fetches[number].block
            if block not in sizes:
                wanted[block] = max(wanted.get(block, 1), len(seen.items))
        late = set(measured.numbers[measured.seconds > PLATFORM_SECONDS].tolist())
        why = {}
        for number, fetch in enumerate(self._fetches):
            if number not in self.seen:
                why[number] = self.refused.get(number, "no answer")
            elif (shown := len(self.seen[number].items)) < wanted[fetch.block]:
                why[number] = f"{shown} of {wanted[fetch.block]} items"
            elif number in late:
                why[number] = f"later than {PLATFORM_SECONDS:g} s"
        return why

    def _rungs(self) -> tuple[RungShare, ...]:
        counted = Counter((seen.served_by, seen.reason) for _, seen in self._first())
        total = max(counted.total(), 1)
        return tuple(
            RungShare(rung, reason, slates, round(slates / total, 4))
            for (rung, reason), slates in counted.most_common()
        )

    def _across(self) -> int:
        shown: dict[int, list[set[str]]] = {}
        for number, seen in self._first():
            shown.setdefault(self._fetches[number].recipient, []).append(set(seen.ids))
        return sum(
            any(one & other for one, other in combinations(blocks, 2)) for blocks in shown.values()
        )

    def _differing(self) -> int:
        """Of the same fetch twice, how often the slate or its items were others."""
        first = {self._fetches[number][:2]: seen for number, seen in self._first()}
        again = (
            (number, seen) for number, seen in self.seen.items() if self._fetches[number].again
        )
        return sum(
            (first[key].slate, first[key].ids) != (seen.slate, seen.ids)
            for number, seen in again
            if (key := self._fetches[number][:2]) in first
        )

    def _spread(self) -> tuple[tuple[Dominant, ...], int, float]:
        """The items that most slates show, how many different ones, and the former's places."""
        counted: Counter[str] = Counter()
        titles: dict[str, str] = {}
        slates = 0
        for _, seen in self._first():
            slates += 1
            counted.update(set(seen.ids))
            titles.update({item.id: item.title for item in seen.items})
        top = counted.most_common(TOP)
        dominant = tuple(
            Dominant(item, titles[item], times, round(times / slates, 4)) for item, times in top
        )
        places = np.fromiter(counted.values(), np.int64, len(counted))
        share = sum(times for _, times in top) / max(int(places.sum()), 1)
        return dominant, len(counted), round(share, 4)
