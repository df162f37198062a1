"""What a bundle shows to held-out customers: scored and ranked by the block of customers.

Every array operation is about some hundreds of thousands of scores, so that several threads work
beside each other. Which customers are taken together does not depend on how many threads there
are, so the results are the same to the bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.chain import blocked_cells, eligible_rows, finite_scores, pick_rows
from serving.ranking.top import EMPTY, PILE, best_rows
from serving.ranking.view import ItemView
from training.auc import auc, beaten_by, beaten_by_few, padded, places_in
from training.heldout import HeldOut
from training.rows import Rows

SCORED: Final = 7 << 20
"""Scores held at once by one thread at the most: 28 MiB. From 32 MiB on the C library asks the
system for fresh memory every time, which is as dear as the product."""
RANKED: Final = 1 << 20
"""Scores ranked at once: 4 MiB, which still fits a processor's cache."""
MOST: Final = 256
"""Customers scored at once at the most: a product of more is no faster."""

FEW: Final = 4 * PILE
"""So many items to one that is closed to a customer make looking ahead worth it."""

Scores = NDArray[np.float32]
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trial:
    """A bundle before held-out customers.

    Attributes:
        bundle: Its scorer is opened as it is for serving.
        held_out: The customers.
        view: Of the bundle's items.
    """

    bundle: Bundle
    held_out: HeldOut
    view: ItemView

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The row of each held-out item, (items,); -1 where the bundle does not know it."""
        return self.held_out.rows(self.bundle.index)


@dataclass(frozen=True, eq=False)
class Question:
    """A block and what it says of held-out time.

    Attributes:
        block: The rules.
        eligible: Rows that it may show to anybody, (rows,).
        closed: Rows among them that it must not show to a customer.
        wanted: Which of the held-out rows of `HeldOut.wanted` are its targets: what the customer
            bought, except what the block would never show; (wanted,).
    """

    block: Block
    eligible: Mask
    closed: Rows
    wanted: Mask


@dataclass(frozen=True, eq=False)
class Shown:
    """What one block showed.

    Attributes:
        question: The block.
        rows: The first rows of each slate, (customers, places), `EMPTY` where a slate has ended.
        auc: Of each customer, NaN where there is none; (customers,). None when not asked for.
    """

    question: Question
    rows: NDArray[np.int64]
    auc: NDArray[np.float64] | None


@dataclass(frozen=True)
class How:
    """How a bundle is asked.

    Attributes:
        places: Of each slate that are kept.
        threads: Blocks of customers at once.
        auc: Whether AUC is counted.
    """

    places: int
    threads: int
    auc: bool


@dataclass(frozen=True, eq=False)
class _Targets:
    """Targets of a block of customers that may come to anybody; each array (targets,).

    Attributes:
        places: Among all held-out rows of `HeldOut.wanted`.
        customers: Whose, numbered in the block; ascending.
        values: Their scores.
        beaten: By how many of the scores; 0 where AUC is not counted.
    """

    places: NDArray[np.int64]
    customers: NDArray[np.int64]
    values: Scores
    beaten: NDArray[np.float64]


def questions(trial: Trial, blocks: Sequence[Block]) -> list[Question]:
    """The blocks as held-out time puts them."""
    view, held_out = trial.view, trial.held_out
    traded, wanted, at = held_out.traded, held_out.wanted, held_out.at
    rows = trial.rows[traded.items]
    had = held_out.had_before
    asked = []
    for block in blocks:
        eligible = eligible_rows(view, block, at)
        blocked = blocked_cells(block, traded.bought, traded.returned, at)
        here = blocked & (rows >= 0) & eligible[rows]
        closed = traded.where(here)
        never = np.zeros(len(wanted.items), np.bool_)
        never[had >= 0] = blocked[had[had >= 0]]
        asked.append(
            Question(block, eligible, Rows(closed.starts, rows[here].astype(np.int32)), ~never)
        )
    return asked


def show(trial: Trial, asked: Sequence[Question], how: How) -> list[Shown]:
    """What the bundle shows to every customer, one a question.

    It is quickest when no customer has more targets than the one before.
    """
    run = _Run(trial, asked, how)
    size = max(1, min(MOST, SCORED // max(1, len(trial.view.items))))
    starts = range(0, len(trial.held_out.customers), size)
    # BLAS with threads of its own waits longer for itself than a customer's small system takes.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(how.threads) as pool:
        for _ in pool.map(lambda first: run.take(first, first + size), starts):
            pass  # an exception comes up here
    return run.shown


class _Run:
    """The slates that one bundle gave so far; each block of customers writes its own rows."""

    def __init__(self, trial: Trial, asked: Sequence[Question], how: How) -> None:
        held_out = trial.held_out
        self._scorer = open_scorer(trial.bundle)
        self._baskets = held_out.baskets_at(trial.rows, len(trial.view.items))
        self._view = trial.view
        self._auc = how.auc
        self._wanted = held_out.wanted
        self._rows = trial.rows[held_out.wanted.items]
        size = (len(held_out.customers), how.places)
        self.shown = [
            Shown(one, np.full(size, EMPTY), np.full(size[0], np.nan) if how.auc else None)
            for one in asked
        ]
        alike: defaultdict[bytes, list[Shown]] = defaultdict(list)
        for one in self.shown:
            alike[one.question.eligible.tobytes()].append(one)
        self._alike = list(alike.values())

    def take(self, first: int, last: int) -> None:
        """Score the customers from `first` to before `last`, or the last of all, and rank them."""
        part = self._baskets.part(first, min(last, len(self._baskets)))
        scores = self._scorer.score(part)
        size = max(1, RANKED // max(1, scores.shape[1]))
        for start in range(0, len(scores), size):
            self._rank(scores[start : start + size], first + start)

    def _rank(self, scores: Scores, first: int) -> None:
        """Rank the customers from `first` on."""
        scores = finite_scores(scores)
        for shown in self._alike:
            own = scores.flags.writeable and len(self._alike) == 1
            opened = scores if own else scores.copy()
            eligible = shown[0].question.eligible
            opened[:, np.flatnonzero(~eligible)] = -np.inf
            targets = self._targets(opened, eligible, first)
            ahead = self._ahead(shown, opened, first)
            for one in shown:
                self._see(one, opened, targets, ahead, first)

    def _ahead(self, shown: Sequence[Shown], opened: Scores, first: int) -> Places | None:
        """The best rows, enough for every question when what is closed is taken out of them.

        None where asking for each anew is as quick: one question, a cap, too much that is closed.
        """
        last = first + len(opened)
        closed = max(int(one.question.closed.lengths[first:last].max()) for one in shown)
        capped = any(one.question.block.category_cap is not None for one in shown)
        if len(shown) == 1 or capped or closed > opened.shape[1] // FEW:
            return None
        count = max(one.question.block.size for one in shown) + closed
        return best_rows(opened, self._view.rank, self._view.by_rank, count)

    def _targets(self, opened: Scores, eligible: Mask, first: int) -> _Targets:
        """The targets of a block of customers that may come to anybody."""
        start, end = self._wanted.starts[[first, first + len(opened)]]
        rows = self._rows[start:end]
        known = np.flatnonzero((rows >= 0) & eligible[rows])
        customers = self._wanted.customers[start:end][known] - first
        values = opened[customers, rows[known]]
        beaten = np.zeros(len(known))
        if self._auc:
            counted = beaten_by(opened, padded(values, customers, len(opened), np.inf))
            beaten = counted[customers, places_in(customers, len(opened))]
        return _Targets(start + known, customers, values, beaten)

    def _see(
        self, one: Shown, opened: Scores, targets: _Targets, ahead: Places | None, first: int
    ) -> None:
        """The slates of a block of customers under one question; leaves the scores as they were."""
        last = first + len(opened)
        closed = one.question.closed.part(first, last)
        cells = (closed.customers, closed.items)
        values = opened[cells]
        opened[cells] = -np.inf
        if ahead is None:
            slates = pick_rows(self._view, opened, one.question.block)
        else:
            slates = _left(ahead, opened, one.question.block.size)
        slates = slates[:, : one.rows.shape[1]]
        opened[cells] = values
        one.rows[first:last, : slates.shape[1]] = slates
        if one.auc is not None:
            asked = one.question.wanted[targets.places]
            customers = targets.customers[asked]
            wanted = padded(targets.values[asked], customers, len(opened), np.inf)
            among = padded(values, closed.customers, len(opened), -np.inf)
            every = np.bincount(customers, targets.beaten[asked], minlength=len(opened))
            counts = np.bincount(customers, minlength=len(opened))
            items = one.question.eligible.sum() - closed.lengths
            one.auc[first:last] = auc(
                every - beaten_by_few(among, wanted).sum(axis=1), counts, items
            )


def _left(ahead: Places, opened: Scores, count: int) -> Places:
    """The first of the rows ahead that may come, `EMPTY` where there are no more."""
    customers = np.arange(len(ahead))[:, None]
    gone = np.isneginf(opened[customers, ahead]) | (ahead == EMPTY)
    order = np.argsort(gone, axis=1, kind="stable")[:, :count]
    return np.where(gone[customers, order], EMPTY, ahead[customers, order])
