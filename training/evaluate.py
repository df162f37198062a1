"""Judges bundles on held-out time, through the chain that serves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.errors import NotEnoughData
from features.item import Item
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.chain import (
    Ask,
    blocked_items,
    eligible_rows,
    finite_scores,
    open_scores,
    pick_rows,
)
from serving.ranking.view import ItemView, item_view
from training.dataset import MIN_CUSTOMERS
from training.heldout import HeldOut
from training.metrics import (
    AUC,
    COVERAGE,
    CUTOFFS,
    Interval,
    auc,
    bootstrap,
    name_at,
    rank_metrics,
)

EXPLORE = "explore"
"""No repeats: can the model find what a customer has not owned before?"""
REPEAT = "repeat"
"""Repeats allowed: can it find whatever the customer buys next?"""
PRIMARY = EXPLORE
"""The question that the gate asks."""
PLACES = max(CUTOFFS)
"""Length of the slates that are judged."""
BATCH = 256
"""Customers scored at once: 70 MB for 68,000 items."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How one bundle answered one question.

    Attributes:
        algorithm: Of the bundle.
        question: `EXPLORE` or `REPEAT`.
        customers: Customer keys of those with a target, ascending.
        per_customer: Metric's full name (`ndcg_20`, `auc`) → float64 (customers,); in `auc`, NaN
            for a customer none of whose targets the bundle knows.
        summary: Metric's full name → mean over customers and its interval; `coverage_20` too.
        seconds: Spent scoring and ranking.
    """

    algorithm: str
    question: str
    customers: tuple[str, ...]
    per_customer: Mapping[str, NDArray[np.float64]]
    summary: Mapping[str, Interval]
    seconds: float

    def means(self) -> dict[str, float]:
        """Metric's full name → mean, as a tracker logs it; without those that are NaN."""
        means = {name: interval.mean for name, interval in self.summary.items()}
        return {name: mean for name, mean in means.items() if math.isfinite(mean)}


def question_blocks() -> tuple[Block, ...]:
    """The blocks that stand for the questions `EXPLORE` and `REPEAT`."""
    return (
        Block(name=EXPLORE, size=PLACES, allow_repeats=False),
        Block(name=REPEAT, size=PLACES, allow_repeats=True),
    )


def evaluate(
    bundle: Bundle,
    held_out: HeldOut,
    catalogue: Mapping[str, Item] | None = None,
    *,
    blocks: Sequence[Block] | None = None,
) -> dict[str, Evaluation]:
    """One evaluation a block, by its name.

    Args:
        bundle: To judge; its scorer is opened as it is for serving.
        held_out: Histories before T and targets after it.
        catalogue: Item id → item; with None every item is available.
        blocks: `question_blocks()` when None. A block's targets are what the customer bought in
            held-out time except what the block itself would never show. A target that the bundle
            does not know counts as missed.

    Raises:
        NotEnoughData: Fewer than two customers have a target.
    """
    view = item_view(bundle.items, catalogue, bundle.popularity)
    scorer = open_scorer(bundle)
    judges = [
        _Judge(view, block, held_out) for block in (question_blocks() if blocks is None else blocks)
    ]
    for start in range(0, len(held_out.customers), BATCH):
        batch = range(start, min(start + BATCH, len(held_out.customers)))
        began = perf_counter()
        histories = held_out.histories[batch.start : batch.stop]
        baskets = baskets_of(histories, bundle.index, held_out.at)
        # BLAS with two threads waits longer for itself than a customer's small system takes.
        with threadpool_limits(1, user_api="blas"):
            scores = finite_scores(scorer.score(baskets))
        spent = (perf_counter() - began) / len(judges)
        ordered = _Ordered(scores)
        for judge in judges:
            judge.see(batch, scores, ordered, spent)
    return {judge.block.name: judge.verdict(bundle.manifest.algorithm) for judge in judges}


class _Ordered:
    """The scores of a batch in ascending order: sorted once, however many blocks ask.

    Args:
        scores: (batch, rows), finite.
    """

    def __init__(self, scores: NDArray[np.float32]) -> None:
        # A model that says the same of everybody repeats one row without copying it.
        self._rows = scores if scores.strides[0] else scores[:1]
        self._customers = len(scores)
        self._known: dict[bytes, NDArray[np.float32]] = {}

    def among(self, eligible: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The scores of these rows, (batch, eligible rows)."""
        key = eligible.tobytes()
        if key not in self._known:
            self._known[key] = np.sort(np.compress(eligible, self._rows, axis=1), axis=1)
        return np.broadcast_to(self._known[key], (self._customers, int(eligible.sum())))


class _Judge:
    """Gathers what one block showed, batch by batch.

    Args:
        view: Of the bundle's items.
        block: The question.
        held_out: The answer.
    """

    def __init__(self, view: ItemView, block: Block, held_out: HeldOut) -> None:
        self.block = block
        self._view = view
        self._held_out = held_out
        self._eligible = eligible_rows(view, block, held_out.at)
        self._asked: list[int] = []
        self._targets: list[int] = []
        self._hits: list[NDArray[np.bool_]] = []
        self._auc: list[float] = []
        self._shown = np.zeros(len(view.items), np.bool_)
        self._seconds = 0.0

    def see(
        self, batch: range, scores: NDArray[np.float32], ordered: _Ordered, spent: float
    ) -> None:
        """Rank a batch of customers, and compare with what they bought.

        Args:
            batch: Numbers of the customers.
            scores: (batch, rows), finite.
            ordered: The same in ascending order.
            spent: Seconds that the scores took.
        """
        self._seconds += spent
        candidates = ordered.among(self._eligible)
        for n, row_scores, row_candidates in zip(batch, scores, candidates, strict=True):
            began = perf_counter()
            ask = Ask(self.block, self._held_out.histories[n])
            opened = open_scores(self._view, row_scores, ask, self._eligible, self._held_out.at)
            slate = pick_rows(self._view, opened, ask)
            self._seconds += perf_counter() - began
            targets = self._targets_of(n)
            if targets:
                self._compare(n, targets, slate)
                self._auc.append(self._auc_of(targets, row_scores, opened, row_candidates))

    def _targets_of(self, customer: int) -> frozenset[str]:
        """What the customer bought, except what the block would never show."""
        history = self._held_out.histories[customer]
        blocked = blocked_items(self.block, history, self._held_out.at)
        return self._held_out.targets[customer] - blocked

    def _compare(self, customer: int, targets: frozenset[str], slate: NDArray[np.int64]) -> None:
        wanted = set(self._view.rows(targets))
        shown = slate[:PLACES]
        hits = np.zeros(PLACES, np.bool_)
        hits[: len(shown)] = [row in wanted for row in shown.tolist()]
        self._asked.append(customer)
        self._targets.append(len(targets))
        self._hits.append(hits)
        self._shown[shown] = True

    def _auc_of(
        self,
        targets: frozenset[str],
        scores: NDArray[np.float32],
        opened: NDArray[np.float32],
        candidates: NDArray[np.float32],
    ) -> float:
        left_out = scores[self._eligible & np.isneginf(opened)]
        wanted = opened[self._view.rows(targets)]
        return auc(candidates, left_out, wanted[wanted > -np.inf])

    def verdict(self, algorithm: str) -> Evaluation:
        """The evaluation.

        Raises:
            NotEnoughData: Fewer than two customers have a target.
        """
        if len(self._asked) < MIN_CUSTOMERS:
            message = (
                f"{len(self._asked)} of {len(self._held_out.customers)} customers have a target "
                f"for block {self.block.name}: judging needs at least {MIN_CUSTOMERS}; "
                "hold out more time"
            )
            raise NotEnoughData(message)
        hits, targets = np.array(self._hits), np.array(self._targets)
        metrics: dict[str, NDArray[np.float64]] = {}
        for k in CUTOFFS:
            metrics |= rank_metrics(hits, targets, k)
        metrics[AUC] = np.array(self._auc)
        share = float(self._shown.sum() / max(1, self._eligible.sum()))
        covered = {name_at(COVERAGE, PLACES): Interval(share, share, share)}
        return Evaluation(
            algorithm=algorithm,
            question=self.block.name,
            customers=tuple(self._held_out.customers[n] for n in self._asked),
            per_customer=metrics,
            summary=bootstrap(metrics) | covered,
            seconds=self._seconds,
        )
