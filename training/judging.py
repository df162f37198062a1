"""What a bundle shows to held-out customers: scored and ranked by the block of customers.

Every array operation is about some hundreds of thousands of scores, so that several threads work
beside each other. Which customers are taken together does not depend on how many threads there
are, so the results are the same to the bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.scoring import Scorer, open_scorer
from serving.ranking.blocks import Block
from serving.ranking.chain import blocked_cells, eligible_rows, finite_scores, pick_rows
from serving.ranking.top import EMPTY, best_rows, ranked
from serving.ranking.view import ItemView
from training.auc import auc, beaten_by, beaten_by_few
from training.heldout import HeldOut
from training.rows import Rows

SCORED: Final = 7 << 20
"""Scores held at once by one thread at the most: 28 MiB. From 32 MiB on the C library asks the
system for fresh memory every time, which is as dear as the product."""
RANKED: Final = 1 << 21
"""Scores ranked at once: 8 MiB. More leave the processor's cache between two looks at them, and of
fewer the calls take longer than the work."""
MOST: Final = 256
"""Customers scored at once at the most: a product of more is no faster."""

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
        blocked: Which of the held-out rows of `HeldOut.traded` stand for one of them that it must
            not show to that customer, (traded,).
        closed: Those rows.
        wanted: Which of the held-out rows of `HeldOut.wanted` are its targets: what the customer
            bought, except what the block would never show; (wanted,).
    """

    block: Block
    eligible: Mask
    blocked: Mask
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
        never = np.zeros(len(wanted.items), np.bool_)
        never[had >= 0] = blocked[had[had >= 0]]
        here = blocked & (rows >= 0) & eligible[rows]
        asked.append(Question(block, eligible, here, _where(traded, rows, here), ~never))
    return asked


def show(trial: Trial, asked: Sequence[Question], how: How) -> list[Shown]:
    """What the bundle shows to every customer, one a question.

    It is quickest when no customer has more targets than the one before.
    """
    run = _Run(trial, asked, how)
    parts = together(len(trial.held_out.customers), len(trial.view.items))
    # BLAS with threads of its own waits longer for itself than a customer's small system takes.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(how.threads) as pool:
        for _ in pool.map(lambda part: run.take(part.start, part.stop), parts):
            pass  # an exception comes up here
    return run.shown()


def together(customers: int, items: int) -> list[slice]:
    """The customers whose scores are held at once.

    Args:
        customers: How many there are.
        items: Scores of each.
    """
    size = max(1, min(MOST, SCORED // max(1, items)))
    starts = range(0, customers, size)
    return [slice(first, min(first + size, customers)) for first in starts]


def scored(scorer: Scorer, baskets: Baskets) -> Iterator[tuple[slice, Scores]]:
    """Scores of customers, as many at once as are judged at once.

    Yields:
        Which of the customers, and theirs, (customers, items).
    """
    with threadpool_limits(1, user_api="blas"):  # as when they are judged
        for part in together(len(baskets), baskets.items):
            yield part, scorer.score(baskets.part(part.start, part.stop))


class _Run:
    """What one bundle showed so far; each block of customers writes its own rows."""

    def __init__(self, trial: Trial, asked: Sequence[Question], how: How) -> None:
        self._scorer = open_scorer(trial.bundle)
        self._baskets = trial.held_out.baskets_at(trial.rows, len(trial.view.items))
        self._view = trial.view
        self._asked = asked
        self._auc = how.auc
        self._slates = [np.full((len(self._baskets), how.places), EMPTY) for _ in asked]
        alike: defaultdict[bytes, list[int]] = defaultdict(list)
        for number, question in enumerate(asked):
            alike[question.eligible.tobytes()].append(number)
        self._groups = [_Group(trial, asked, numbers) for numbers in alike.values()]

    def shown(self) -> list[Shown]:
        """What every question has shown."""
        areas = {
            number: group.auc_of(number)
            for group in self._groups
            for number in group.questions
            if self._auc
        }
        return [
            Shown(question, slates, areas.get(number))
            for number, (question, slates) in enumerate(zip(self._asked, self._slates, strict=True))
        ]

    def take(self, first: int, last: int) -> None:
        """Score the customers from `first` to before `last` and rank them."""
        part = self._baskets.part(first, last)
        scores = self._scorer.score(part)
        size = max(1, RANKED // max(1, scores.shape[1]))
        for start in range(0, len(scores), size):
            self._rank(scores[start : start + size], first + start)

    def _rank(self, scores: Scores, first: int) -> None:
        """Rank the customers from `first` on."""
        scores = finite_scores(scores)
        for group in self._groups:
            own = scores.flags.writeable and len(self._groups) == 1
            opened = scores if own else scores.copy()
            opened[:, group.never] = -np.inf
            if self._auc:
                group.count(opened, first)
            for number, best in group.slates(self._view, opened, first):
                slates = self._slates[number][first : first + len(opened)]
                places = min(slates.shape[1], best.shape[1])
                slates[:, :places] = best[:, :places]


class _Group:
    """Questions that rank the same rows but for what is closed to a customer.

    Rows that are closed to some question are taken out of the scores and the others ranked once;
    then each question gets back what is open to it.

    Attributes:
        questions: By their number.
        never: The rows that they show to nobody, ascending.
    """

    def __init__(self, trial: Trial, asked: Sequence[Question], numbers: Sequence[int]) -> None:
        self.questions = {number: asked[number] for number in numbers}
        eligible = asked[numbers[0]].eligible
        self.never = np.flatnonzero(~eligible)
        self._items = int(eligible.sum())
        held_out = trial.held_out
        traded, wanted = held_out.traded, held_out.wanted
        rows = trial.rows[wanted.items]
        self._known = (rows >= 0) & eligible[rows]
        self._targets = _where(wanted, rows, self._known)
        self._values = np.empty(len(self._targets.items), np.float32)
        self._beaten = np.empty(len(self._targets.items))
        blocked = np.any([one.blocked for one in self.questions.values()], axis=0)
        self._shut = _where(traded, trial.rows[traded.items], blocked)
        self._shut_values = np.empty(len(self._shut.items), np.float32)
        self._closed = {number: one.blocked[blocked] for number, one in self.questions.items()}
        self._at = held_out.at

    def count(self, opened: Scores, first: int) -> None:
        """Count what beats the targets of the customers from `first` on."""
        start, end = self._targets.starts[[first, first + len(opened)]]
        customers = self._targets.customers[start:end] - first
        values = opened[customers, self._targets.items[start:end]]
        self._values[start:end] = values
        self._beaten[start:end] = beaten_by(opened, values, customers)

    def slates(self, view: ItemView, opened: Scores, first: int) -> Iterator[tuple[int, Places]]:
        """The slates of the customers from `first` on under each question; writes to the scores.

        Yields:
            Number of the question, and rows, (customers, places).
        """
        start, end = self._shut.starts[[first, first + len(opened)]]
        customers, rows = self._shut.customers[start:end] - first, self._shut.items[start:end]
        values = opened[customers, rows]
        self._shut_values[start:end] = values
        opened[customers, rows] = -np.inf
        sizes = [one.block.size for one in self.questions.values() if not one.block.rules]
        ahead = best_rows(opened, view.rank, view.by_rank, max(sizes, default=0))
        for number, question in self.questions.items():
            free = ~self._closed[number][start:end]
            cells = customers[free], rows[free]
            opened[cells] = values[free]
            if question.block.rules:
                yield number, pick_rows(view, opened, question.block, self._at)
            else:
                yield number, _joined(view, opened, ahead[:, : question.block.size], cells)
            opened[cells] = -np.inf

    def auc_of(self, number: int) -> NDArray[np.float64]:
        """AUC under the question of that number, (customers,)."""
        question, closed = self.questions[number], self._closed[number]
        asked = question.wanted[self._known]
        customers = self._targets.customers[asked]
        by_closed = beaten_by_few(
            self._values[asked], customers, self._shut_values[closed], question.closed.customers
        )
        count = len(question.closed.lengths)
        by_others = self._beaten[asked] - by_closed
        beaten = np.asarray(np.bincount(customers, by_others, minlength=count), np.float64)
        targets = np.bincount(customers, minlength=count)
        return auc(beaten, targets, self._items - question.closed.lengths)


def _where(cells: Rows, rows: NDArray[np.int64], kept: Mask) -> Rows:
    """Some of the cells, with the bundle's rows in place of the items.

    Args:
        cells: Of held-out time.
        rows: The row of each cell's item, (cells,).
        kept: Which of them, (cells,); none whose row is -1.
    """
    return Rows(cells.where(kept).starts, rows[kept].astype(np.int32))


def _joined(
    view: ItemView, opened: Scores, ahead: Places, more: tuple[Places, NDArray[np.int32]]
) -> Places:
    """The best of the rows ahead and some more, as many as are ahead.

    Args:
        view: Of the rows.
        opened: (customers, rows).
        ahead: The best rows but for those that are more, (customers, places), `EMPTY` at the end.
        more: Customers and a row of each.
    """
    customers = np.arange(len(ahead))[:, None]
    known = np.where(ahead == EMPTY, -np.inf, opened[customers, ahead])
    # Few of them are as good as the last that is ahead.
    good = opened[more] >= known.min(axis=1, initial=np.inf)[more[0]]
    if not good.any():
        return ahead
    there = ahead != EMPTY
    owners = np.concatenate([np.nonzero(there)[0], more[0][good]])
    rows = np.concatenate([ahead[there], more[1][good]])
    return ranked(opened, owners, rows, view.rank, ahead.shape[1])
