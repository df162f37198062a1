"""The one chain: scores → filters → order → cap → slate. Evaluation, publish and serving call it.

Ties of scores go to the more popular item and then to the lower row. A model scores 0 what it has
nothing to say about, so a slate fills up by popularity when the model's own scores run out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from features.profile import History
from serving.ranking.blocks import Block
from serving.ranking.view import ItemView

NOBODY = History()
"""The history of a customer who is not known."""
SECONDS_A_DAY = 86_400.0
DEPTH = 4
"""How many times the items asked for are looked at first, to keep a category cap."""
PILE = 64
"""Values of which one maximum is taken."""

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Ask:
    """What is asked for one customer and one block.

    Attributes:
        block: The rules.
        history: What the customer owns and just bought; empty for an unknown customer.
        exclude: Item ids of the send's other blocks.
        count: How many items; the block's size when None.
    """

    block: Block
    history: History = NOBODY
    exclude: Collection[str] = ()
    count: int | None = None


def blocked_items(block: Block, history: History, now: datetime) -> set[str]:
    """Items that this block must not show to this customer: owned, or bought or returned lately."""
    blocked: set[str] = set() if block.allow_repeats else set(history.owned())
    if block.repeat_after_days:
        since = now.timestamp() - block.repeat_after_days * SECONDS_A_DAY
        for times in (history.bought, history.returned):
            blocked.update(item for item, at in times.items() if at > since)
    return blocked


def slate_rows(view: ItemView, scores: Scores | None, ask: Ask, now: datetime) -> Rows:
    """The rows of one slate, best first.

    Args:
        view: Of the items that may come.
        scores: Score of each row, (rows,), not changed; by popularity alone when None. One that
            is not finite counts as none at all, below every other.
        ask: What is asked.
        now: Aware.

    Returns:
        Unique rows that keep every rule of the block; as many as asked for, unless fewer items
        are eligible.
    """
    opened = open_scores(view, scores, ask, eligible_rows(view, ask.block, now), now)
    return pick_rows(view, opened, ask)


def rank_many(
    view: ItemView, scores: Scores | None, asks: Sequence[Ask], now: datetime
) -> list[Rows]:
    """The rows of many slates; each exactly what `slate_rows` gives for it.

    Args:
        view: Of the items that may come.
        scores: (asks, rows), not changed; by popularity alone when None.
        asks: One a customer; those of the same block share its filters.
        now: Aware.
    """
    eligible: dict[int, NDArray[np.bool_]] = {}
    slates: list[Rows] = []
    for n, ask in enumerate(asks):
        if id(ask.block) not in eligible:
            eligible[id(ask.block)] = eligible_rows(view, ask.block, now)
        row_scores = None if scores is None else scores[n]
        opened = open_scores(view, row_scores, ask, eligible[id(ask.block)], now)
        slates.append(pick_rows(view, opened, ask))
    return slates


def eligible_rows(view: ItemView, block: Block, now: datetime) -> NDArray[np.bool_]:
    """Which rows the block may show to anybody, (rows,): available and of its categories."""
    eligible = view.available(now)
    if block.categories:
        eligible = eligible & view.within(block.categories)
    if block.exclude_categories:
        eligible = eligible & ~view.within(block.exclude_categories)
    return eligible


def open_scores(
    view: ItemView, scores: Scores | None, ask: Ask, eligible: NDArray[np.bool_], now: datetime
) -> Scores:
    """The first half of `slate_rows`: the scores, with -inf for every row that may not come.

    Args:
        view: Of the items that may come.
        scores: As for `slate_rows`.
        ask: What is asked.
        eligible: `eligible_rows` of the ask's block.
        now: Aware.
    """
    if scores is None:
        scores = np.zeros(len(view.items), np.float32)
    opened = np.where(eligible, finite_scores(scores), np.float32(-np.inf))
    opened[view.rows(blocked_items(ask.block, ask.history, now))] = -np.inf
    opened[view.rows(ask.exclude)] = -np.inf
    return opened


def finite_scores(scores: Scores) -> Scores:
    """The scores, the least number there is in place of those that are not finite."""
    known = np.isfinite(scores)
    return scores if known.all() else np.where(known, scores, np.finfo(np.float32).min)


def pick_rows(view: ItemView, opened: Scores, ask: Ask) -> Rows:
    """The second half of `slate_rows`: the best rows under the block's cap.

    Args:
        view: Of the items that may come.
        opened: From `open_scores`.
        ask: What is asked.
    """
    count = max(0, ask.block.size if ask.count is None else ask.count)
    cap = ask.block.category_cap
    if cap is None:
        return _best(opened, view.rank, count)
    depth = count * DEPTH
    while True:
        rows = _best(opened, view.rank, depth)
        kept = _within_cap(view.category[rows], cap)
        if kept.sum() >= count or len(rows) < depth:
            # What the cap held back comes last: it yields rather than leave the slate short.
            return np.concatenate([rows[kept], rows[~kept]])[:count]
        depth *= DEPTH


def _best(opened: Scores, rank: Rows, count: int) -> Rows:
    """The best rows that are not -inf: by score, then by rank; at most `count`."""
    count = min(count, len(opened))
    if not count:
        return np.empty(0, np.int64)
    least = _nth_greatest(opened, count)
    rows = np.flatnonzero(opened > least)
    if least > -np.inf:
        # Many may tie for the last places (a model that is silent scores 0): the popular enter.
        tied = np.flatnonzero(opened == least)
        wanted = count - len(rows)
        if wanted < len(tied):
            tied = tied[np.argpartition(rank[tied], wanted - 1)[:wanted]]
        rows = np.concatenate([rows, tied])
    return rows[np.lexsort((rank[rows], -opened[rows]))]


def _nth_greatest(values: Scores, count: int) -> np.float32:
    """The value at place `count`, greatest first; `count` is 1 to the number of values.

    NumPy's partition takes 6 ms for 68,000 values most of which are equal, as a sparse model's
    are. So a bound comes first: the values are dealt into piles, and as many as reach the
    count-th greatest of the piles' maxima, at least `count` do.
    """
    width = len(values) // PILE
    if width < count:
        return _partitioned(values, count)
    tops = values[: width * PILE].reshape(PILE, width).max(axis=0)
    bound = _partitioned(tops, count)
    above = values[values > bound]
    return bound if len(above) < count else _partitioned(above, count)


def _partitioned(values: Scores, count: int) -> np.float32:
    place = len(values) - count
    nth: np.float32 = np.partition(values, place)[place]
    return nth


def _within_cap(category: NDArray[np.int64], cap: int) -> NDArray[np.bool_]:
    """Which of the rows, best first, are among the first `cap` of their category."""
    order = np.argsort(category, kind="stable")
    ordered = category[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    kept = np.empty(len(order), np.bool_)
    kept[order] = (place < cap) | (ordered < 0)
    return kept
