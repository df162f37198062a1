"""Slates whose blocks have rules of the slate as a whole: place by place, the best that they allow.

Each place is given by asking the block's rules one after the other which of the candidates may have
it, and taking the best of those that are left. A rule that would leave none yields, and then more
candidates are looked at, as far as that rule is worth it. Rotation says which are the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.ranking.blocks import Block, RuleName
from serving.ranking.columns import microseconds
from serving.ranking.eligible import eligible
from serving.ranking.rules.brand_cap import brand_cap
from serving.ranking.rules.category_cap import category_cap
from serving.ranking.rules.diversity import diversity
from serving.ranking.rules.new_share import is_new, new_share
from serving.ranking.rules.pool import Mask, Pool, Rule, of_chosen
from serving.ranking.rules.popularity_cap import popular_rows, popularity_cap
from serving.ranking.rules.price_spread import price_spread
from serving.ranking.rules.rotation import Pressure, Rotated, rotated
from serving.ranking.source import Source
from serving.ranking.top import EMPTY, Rows, best_rows
from serving.ranking.view import ItemView

RULES: Final[Mapping[RuleName, Rule]] = {
    RuleName.CATEGORY_CAP: category_cap,
    RuleName.BRAND_CAP: brand_cap,
    RuleName.POPULARITY_CAP: popularity_cap,
    RuleName.NEW_SHARE: new_share,
    RuleName.PRICE_SPREAD: price_spread,
    RuleName.DIVERSITY: diversity,
}
"""All but rotation, which bars nobody."""
REACH: Final[Mapping[RuleName, float]] = {
    RuleName.CATEGORY_CAP: math.inf,
    RuleName.BRAND_CAP: math.inf,
    RuleName.POPULARITY_CAP: math.inf,
    RuleName.PRICE_SPREAD: 1_000,
}
"""How many candidates are looked at before a rule yields. Others yield at once: the best new items
are always among the candidates, and what is further down is too far from the best to be diverse."""
GROUPS: Final[Mapping[RuleName, Callable[[ItemView, Block], Rows]]] = {
    RuleName.CATEGORY_CAP: lambda view, _: view.category,
    RuleName.BRAND_CAP: lambda view, _: view.traits.brand,
    RuleName.POPULARITY_CAP: popular_rows,
}
"""The groups of which caps allow so many: number of each row's, -1 for none."""
DEPTH: Final = 4
"""How many times the items asked for are looked at first, and then each time as many again."""
CELLS: Final = 1 << 16
"""Candidates of all slates that are looked at together: bounds memory."""
_BITS: Final = {name: np.uint8(1 << number) for number, name in enumerate(RuleName)}


class Move(NamedTuple):
    """How rules moved an item.

    Attributes:
        position: Where it would be without them, from 1.
        rules: Those that put it before others, or others before it.
    """

    position: int
    rules: tuple[RuleName, ...]


@dataclass(frozen=True)
class Wanted:
    """What is asked for several customers at once.

    Attributes:
        view: Of the items that may come.
        block: The rules.
        count: Items in each slate, from 0.
        now: Aware.
        pressure: On the items of these customers, for a block that rotates; None for none.
    """

    view: ItemView
    block: Block
    count: int
    now: datetime
    pressure: Pressure | None = None

    @property
    def rules(self) -> tuple[RuleName, ...]:
        """The block's rules that have anything to say."""
        idle = RuleName.ROTATION if self.pressure is None else None
        return tuple(name for name in self.block.rules if name is not idle)


@dataclass(frozen=True, eq=False)
class Shaped:
    """Slates as rules let them come, (slates, places) each.

    Attributes:
        rows: `EMPTY` where a slate has ended.
        positions: Where each would be without rules, from 1; 0 where that was not looked for.
        moved_by: The rules that had a say, a bit each in the order of `RuleName`.
    """

    rows: Rows
    positions: Rows
    moved_by: NDArray[np.uint8]


def shaped(source: Source, wanted: Wanted) -> Shaped:
    """The best rows of each customer as the block's rules let them come.

    Args:
        source: Of the customers' candidates.
        wanted: What is asked for all of them.
    """
    view, count = wanted.view, wanted.count
    shape = len(source), min(count, len(view.items))
    made = Shaped(np.full(shape, EMPTY), np.zeros(shape, np.int64), np.zeros(shape, np.uint8))
    pending, depth = np.arange(shape[0] if shape[1] else 0), count * DEPTH
    while len(pending):
        step = max(1, CELLS // depth)
        again = [
            _fill(made, part, source, wanted, depth)
            for part in (pending[start : start + step] for start in range(0, len(pending), step))
        ]
        pending, depth = np.concatenate(again), depth * DEPTH
    return made


def moves_of(made: Shaped, slate: int, source: Source) -> dict[int, Move]:
    """Row → how rules moved it, of the rows of one slate that are elsewhere than without rules.

    Args:
        made: Slates.
        slate: Which.
        source: What the slates were made from.
    """
    moves = {}
    for place in np.flatnonzero(made.moved_by[slate]).tolist():
        row, position = int(made.rows[slate, place]), int(made.positions[slate, place])
        position = position or source.position(slate, row)
        if position != place + 1:
            said = made.moved_by[slate, place]
            moves[row] = Move(position, tuple(name for name in RuleName if said & _BITS[name]))
    return moves


def _fill(made: Shaped, part: Rows, source: Source, wanted: Wanted, depth: int) -> Rows:
    """Fill some of the slates from so many candidates each.

    Args:
        made: Written to.
        part: Which slates.
        source: Of the candidates.
        wanted: What is asked.
        depth: Candidates.

    Returns:
        Those of the slates that more candidates might make better.
    """
    rows, more = _candidates(source, part, wanted, depth)
    slates = np.arange(len(part))[:, None]
    turned = _turned(rows, part, wanted)
    if turned is not None:
        rows = rows[slates, turned.order]
    filling = _Filling(wanted, rows, turned, depth)
    columns = filling.columns(made.rows.shape[1])
    there, before = columns != EMPTY, columns
    if turned is not None:
        before = np.where(there, turned.order[slates, columns], EMPTY)
        # Before what fell behind all that was looked at there may be others.
        fell = (before < depth) & (turned.places[slates, columns] > depth)
        filling.yielded |= np.any(there & fell, axis=1)
    made.rows[part] = np.where(there, rows[slates, columns], EMPTY)
    made.positions[part] = np.where(before < depth, before + 1, 0)
    made.moved_by[part] = np.where(there, filling.moved_by[slates, columns], 0)
    short: Rows = part[more & filling.yielded]
    return short


def _candidates(
    source: Source, part: Rows, wanted: Wanted, depth: int
) -> tuple[Rows, NDArray[np.bool_]]:
    """The best rows of each customer, so many and some new ones, and who has more than these."""
    rows = source.best(part, depth)
    more = (rows.shape[1] == depth) & (rows[:, -1] != EMPTY)
    if wanted.block.new_share is not None:
        rows = np.hstack([rows, _new_rows(source, part, wanted, rows)])
    return rows, more


def _turned(rows: Rows, part: Rows, wanted: Wanted) -> Rotated | None:
    """The candidates of some of the slates as rotation leaves them; None where nothing presses."""
    if wanted.pressure is None:
        return None
    return rotated(rows, wanted.pressure.on(part, rows), wanted.block.size)


def _new_rows(source: Source, part: Rows, wanted: Wanted, known: Rows) -> Rows:
    """The best new items of each customer that are not known, `EMPTY` in place of the others.

    A model has little to say of new items, so they are seldom among its best.
    """
    view = wanted.view
    new = np.flatnonzero(is_new(view.opens, wanted.block.new_days, microseconds(wanted.now)))
    by_rank = np.argsort(view.rank[new])
    found = best_rows(source.of(part, new), np.argsort(by_rank), by_rank, wanted.count)
    rows = np.append(new, EMPTY)[found]
    rows[(rows[:, :, None] == known[:, None, :]).any(axis=2)] = EMPTY
    return rows


class _Filling:
    """Slates that are given their places, one after the other.

    Attributes:
        moved_by: The rules that had a say in where each candidate is, as `Shaped` has them,
            (slates, candidates).
        yielded: Which slates had a rule yield that more candidates might have kept, (slates,).
    """

    def __init__(self, wanted: Wanted, rows: Rows, turned: Rotated | None, depth: int) -> None:
        self.moved_by = np.zeros(rows.shape, np.uint8)
        self.yielded = np.zeros(len(rows), np.bool_)
        moment, places = microseconds(wanted.now), None
        if turned is not None:
            self.moved_by[turned.moved] = _BITS[RuleName.ROTATION]
            places = turned.places
        self._wanted = wanted
        self._pool = Pool(wanted.view, wanted.block, rows, moment, places)
        self._depth = depth
        self._rules = [name for name in wanted.block.rules if name in RULES]
        self._left = rows != EMPTY

    def columns(self, places: int) -> Rows:
        """The candidates that have the places, (slates, places), `EMPTY` where none is left."""
        chosen = np.empty((len(self._left), places), np.int64)
        ended = np.empty(chosen.shape, np.bool_)
        slates = np.arange(len(chosen))
        for place in range(places):
            able = self._narrowed(chosen[:, :place])
            chosen[:, place] = able.argmax(axis=1)
            ended[:, place] = ~able[slates, chosen[:, place]]
            self._left[slates, chosen[:, place]] = False
        return np.where(ended, EMPTY, chosen)

    def _narrowed(self, chosen: Rows) -> Mask:
        """Who may have the next place."""
        able: Mask = self._left
        held: NDArray[np.uint8] | None = None
        for name in self._rules:
            narrowed: Mask = RULES[name](self._pool, chosen, able)
            if narrowed is able:
                continue
            kept = np.any(narrowed, axis=1)
            if not kept.all():
                reaching = self._depth < REACH.get(name, 0)
                self.yielded |= ~kept & reaching & ~self._hopeless(name, chosen)
                narrowed = np.where(kept[:, None], narrowed, able)
            held = np.zeros(able.shape, np.uint8) if held is None else held
            held[able & ~narrowed] = _BITS[name]
            able = narrowed
        if held is not None:
            self._note(held, able.argmax(axis=1))
        return able

    def _hopeless(self, name: RuleName, chosen: Rows) -> Mask:
        """Which slates have all that a cap allows of every group that there is, (slates,)."""
        view, block = self._wanted.view, self._wanted.block
        groups = GROUPS[name](view, block) if name in GROUPS else None
        if groups is None:
            return np.zeros(len(chosen), np.bool_)
        kinds = eligible(view, block, self._wanted.now).kinds((name, block.popular_share), groups)
        taken = of_chosen(groups[self._pool.rows], chosen)
        counts = np.count_nonzero(taken[:, :, None] == taken[:, None, :], axis=2)
        full = np.where(counts >= getattr(block, name), 1 / np.maximum(counts, 1), 0).sum(axis=1)
        hopeless: Mask = np.round(full) == kinds
        return hopeless & (kinds > 0)

    def _note(self, held: NDArray[np.uint8], columns: Rows) -> None:
        """Remember which rules put the candidates in these columns before others.

        Args:
            held: The rule that held back each candidate, 0 for none, (slates, candidates).
            columns: Who has the place, (slates,).
        """
        held[np.arange(held.shape[1]) >= columns[:, None]] = 0
        self.moved_by |= held
        self.moved_by[np.arange(len(held)), columns] |= np.bitwise_or.reduce(held, axis=1)
