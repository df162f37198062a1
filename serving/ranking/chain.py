"""The one chain: scores → filters → order → rules → slate. Evaluation, publish and serving call it.

Ties of scores go to the more popular item and then to the lower row. A model scores 0 what it has
nothing to say about, so a slate fills up by popularity when the model's own scores run out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.profile import History
from serving.ranking.blocks import Block
from serving.ranking.eligible import Eligible, eligible
from serving.ranking.rules.rotation import SECONDS_A_DAY, pressure_of
from serving.ranking.shaping import Move, Wanted, moves_of, shaped
from serving.ranking.source import Dense, Source, Those, Told
from serving.ranking.top import EMPTY, Rows, Scores, best_rows
from serving.ranking.view import ItemView

NOBODY: Final = History()
"""The history of a customer who is not known."""
TOGETHER: Final = 64
"""Slates that are made at once: their scores still fit a processor's cache."""

UNMOVED: Final[Mapping[int, Move]] = {}

Moments = NDArray[np.float64]


@dataclass(frozen=True)
class Ask:
    """What is asked for one customer and one block.

    Attributes:
        block: The rules.
        history: What the customer owns, just bought, and was shown; empty for an unknown one.
        exclude: Item ids of the send's other blocks.
        count: How many items; the block's size when None.
    """

    block: Block
    history: History = NOBODY
    exclude: Collection[str] = ()
    count: int | None = None


class Ranking(NamedTuple):
    """One slate.

    Attributes:
        rows: Best first.
        moves: Row → how the block's rules moved it; only of those that they moved.
    """

    rows: Rows
    moves: Mapping[int, Move]


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
    return rankings(view, None if scores is None else scores[None], [ask], now)[0].rows


def rank_many(
    view: ItemView, scores: Told | Scores | None, asks: Sequence[Ask], now: datetime
) -> list[Rows]:
    """The rows of many slates, as `rankings` gives them."""
    return [ranking.rows for ranking in rankings(view, scores, asks, now)]


def rankings(
    view: ItemView, scores: Told | Scores | None, asks: Sequence[Ask], now: datetime
) -> list[Ranking]:
    """Many slates; the rows of each are exactly what `slate_rows` gives for it.

    Args:
        view: Of the items that may come.
        scores: What a model tells these customers; or (asks, rows), not changed; by popularity
            alone when None.
        asks: One a customer; those of the same block and count are ranked together.
        now: Aware.
    """
    alike: defaultdict[tuple[int, int | None], list[int]] = defaultdict(list)
    for place, ask in enumerate(asks):
        alike[id(ask.block), ask.count].append(place)
    slates: dict[int, Ranking] = {}
    for group in alike.values():
        block, count = asks[group[0]].block, asks[group[0]].count
        open_to_all = eligible(view, block, now)
        for start in range(0, len(group), TOGETHER):
            places = group[start : start + TOGETHER]
            closed = [_closed_rows(view, asks[place], now) for place in places]
            source = _source(scores, open_to_all, places, closed)
            histories = [asks[place].history for place in places]
            pressure = pressure_of(view, histories, block.rotation_days, now)
            ranked = _ranked(source, Wanted(view, block, _count(block, count), now, pressure))
            slates.update(zip(places, ranked, strict=True))
    return [slates[place] for place in range(len(asks))]


def eligible_rows(view: ItemView, block: Block, now: datetime) -> NDArray[np.bool_]:
    """Which rows the block may show to anybody, (rows,): available and of its categories.

    Read-only.
    """
    return eligible(view, block, now).mask


def blocked_items(block: Block, history: History, now: datetime) -> set[str]:
    """Items that this block must not show to this customer: owned, or bought or returned lately."""
    blocked: set[str] = set() if block.allow_repeats else set(history.owned())
    if block.repeat_after_days:
        since = _waiting_since(block, now)
        for times in (history.bought, history.returned):
            blocked.update(item for item, at in times.items() if at > since)
    return blocked


def blocked_cells(
    block: Block, bought: Moments, returned: Moments, now: datetime
) -> NDArray[np.bool_]:
    """`blocked_items` of many customers at once.

    Args:
        block: The rules.
        bought: When a customer last bought an item, seconds since 1970, -inf for never; (cells,).
        returned: The same of returns.
        now: Aware.

    Returns:
        Which of these items must not be shown to these customers, (cells,).
    """
    blocked = np.zeros(len(bought), np.bool_) if block.allow_repeats else bought > returned
    if block.repeat_after_days:
        blocked |= np.maximum(bought, returned) > _waiting_since(block, now)
    return blocked


def open_scores(scores: Scores | None, eligible: NDArray[np.bool_], customers: int) -> Scores:
    """Scores that may be written to, finite, and -inf for every row that may not come to anybody.

    Args:
        scores: (customers, rows); 0 for all when None.
        eligible: Which rows may come, (rows,).
        customers: How many.
    """
    opened = np.zeros((customers, len(eligible)), np.float32)
    if scores is not None:
        opened[:] = finite_scores(scores)
    opened[:, np.flatnonzero(~eligible)] = -np.inf
    return opened


def finite_scores(scores: Scores) -> Scores:
    """The scores, the least number there is in place of those that are not finite."""
    known = np.isfinite(scores)
    return scores if known.all() else np.where(known, scores, np.finfo(np.float32).min)


def pick_rows(
    view: ItemView, opened: Scores, block: Block, now: datetime, count: int | None = None
) -> Rows:
    """The best rows of each customer under the block's rules, as if nothing had been shown yet.

    Args:
        view: Of the items that may come.
        opened: (customers, rows): finite, or -inf for a row that may not come.
        block: The rules.
        now: Aware.
        count: How many; the block's size when None.

    Returns:
        (customers, at most `count`), best first, `EMPTY` where a slate has ended.
    """
    count = _count(block, count)
    wanted = Wanted(view, block, count, now)
    if not wanted.rules:
        return best_rows(opened, view.rank, view.by_rank, count)
    return shaped(Dense(view, opened), wanted).rows


def _source(
    scores: Told | Scores | None,
    open_to_all: Eligible,
    places: list[int],
    closed: Sequence[Rows],
) -> Source:
    """The scores of some asks.

    Args:
        scores: Of all asks, as `rankings` takes them.
        open_to_all: Rows that may come to anybody.
        places: The numbers of the asks, ascending.
        closed: Rows that may not come to each.
    """
    tastes = scores.tastes if isinstance(scores, Told) else None
    if isinstance(scores, Told):
        short = scores.short_way(Those(open_to_all, places, closed))
        if short is not None:
            return short
        scores = scores.scores
    opened = open_scores(_of(scores, places), open_to_all.mask, len(places))
    for row_scores, rows in zip(opened, closed, strict=True):
        row_scores[rows] = -np.inf
    return Dense(open_to_all.view, opened, tastes, places)


def _ranked(source: Source, wanted: Wanted) -> list[Ranking]:
    """What `pick_rows` gives, a slate each, and how rules moved it."""
    if not wanted.rules:
        slates = source.best(np.arange(len(source)), wanted.count)
        return [Ranking(rows[rows != EMPTY], UNMOVED) for rows in slates]
    made = shaped(source, wanted)
    return [
        Ranking(rows[rows != EMPTY], moves_of(made, slate, source))
        for slate, rows in enumerate(made.rows)
    ]


def _count(block: Block, count: int | None) -> int:
    return max(0, block.size if count is None else count)


def _of(scores: Scores | None, places: list[int]) -> Scores | None:
    """The scores of some asks, ascending; not copied where they lie together."""
    if scores is None or len(places) == places[-1] - places[0] + 1:
        return None if scores is None else scores[places[0] : places[-1] + 1]
    return scores[places]


def _closed_rows(view: ItemView, ask: Ask, now: datetime) -> Rows:
    """Rows that may not come to this customer."""
    block, history = ask.block, ask.history
    # What was bought and never returned is owned: no need to look at when.
    plain = not block.allow_repeats and not history.returned
    blocked = history.bought if plain else blocked_items(block, history, now)
    found = [*map(view.index.get, blocked), *map(view.index.get, ask.exclude)]
    return np.array([row for row in found if row is not None], np.int64)


def _waiting_since(block: Block, now: datetime) -> float:
    """What was bought or returned later than this stays away, seconds since 1970."""
    return now.timestamp() - block.repeat_after_days * SECONDS_A_DAY
