"""Judges bundles on held-out time, through the chain that serves."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughData
from features.item import Item
from serving.model.bundle import Bundle
from serving.ranking.blocks import Block
from serving.ranking.bundle_view import bundle_view
from serving.ranking.top import EMPTY
from training.dataset import MIN_CUSTOMERS
from training.heldout import HeldOut
from training.hits import hit_metrics, hits_of
from training.judging import How, Shown, Trial, questions, show
from training.metrics import AUC, COVERAGE, CUTOFFS, Interval, bootstrap, name_at
from training.slate_metrics import Backdrop, backdrop_of, slate_metrics

EXPLORE: Final = "explore"
"""No repeats: can the model find what a customer has not owned before?"""
REPEAT: Final = "repeat"
"""Repeats allowed: can it find whatever the customer buys next?"""
PRIMARY: Final = EXPLORE
"""The question that the gate asks."""
PLACES: Final = max(CUTOFFS)
"""Length of the slates that are judged."""


class Intervals(Mapping[str, Interval]):
    """The mean of every metric with its interval; drawn when one is first looked at.

    Args:
        per_customer: Metric's full name → one value a customer.
        overall: Metric's full name → a value of all customers together, which has no interval.
    """

    def __init__(
        self,
        per_customer: Mapping[str, NDArray[np.float64]],
        overall: Mapping[str, float] | None = None,
    ) -> None:
        self._per_customer = per_customer
        self._overall = overall or {}

    def __getitem__(self, name: str) -> Interval:
        return self._drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._per_customer, *self._overall))

    def __len__(self) -> int:
        return len(self._per_customer) + len(self._overall)

    @cached_property
    def _drawn(self) -> dict[str, Interval]:
        one = {name: Interval(value, value, value) for name, value in self._overall.items()}
        return bootstrap(self._per_customer) | one


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How one bundle answered one question.

    Attributes:
        algorithm: Of the bundle.
        question: `EXPLORE` or `REPEAT`.
        customers: Customer keys of those with a target, ascending.
        per_customer: Metric's full name (`ndcg_20`, `auc`) → float64 (customers,); NaN for a
            customer of whom it says nothing, as `auc` where the bundle knows none of the targets.
        summary: Metric's full name → mean over customers and its interval; `coverage_20` too.
        seconds: Spent scoring and ranking, all questions together.
        overall: What `summary` has besides: values of all customers together.
    """

    algorithm: str
    question: str
    customers: tuple[str, ...]
    per_customer: Mapping[str, NDArray[np.float64]]
    summary: Mapping[str, Interval]
    seconds: float
    overall: Mapping[str, float] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Metric's full name → mean, as a tracker logs it; without those that are NaN."""
        known = {name: of[np.isfinite(of)] for name, of in self.per_customer.items()}
        means = {name: float(of.mean()) for name, of in known.items() if of.size}
        return means | {name: one for name, one in self.overall.items() if math.isfinite(one)}

    def sliced(self, masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, Intervals]:
        """Slice → metric's full name → mean over its customers and interval.

        Args:
            masks: Slice → which of these customers are in it, (customers,), as `slices` tells;
                one that nobody is in is left out.
        """
        return {
            name: Intervals({metric: of[mask] for metric, of in self.per_customer.items()})
            for name, mask in masks.items()
            if mask.any()
        }


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
    auc: bool = True,
    threads: int | None = None,
) -> dict[str, Evaluation]:
    """One evaluation a block, by its name; the same to the bit whatever the number of threads.

    Args:
        bundle: To judge; its scorer is opened as it is for serving.
        held_out: Histories before T and targets after it.
        catalogue: Item id → item; with None every item is available.
        blocks: `question_blocks()` when None. A block's targets are what the customer bought in
            held-out time except what the block itself would never show. A target that the bundle
            does not know counts as missed.
        auc: Whether AUC is counted: nearly free where customers buy few items, and the greatest
            part of the time where they buy hundreds.
        threads: Blocks of customers at once; as many as there are processors when None.

    Raises:
        NotEnoughData: Fewer than two customers have a target.
    """
    began = perf_counter()
    # Customers with as many targets side by side: their comparisons make full arrays.
    order = np.argsort(-held_out.wanted.lengths, kind="stable")
    view = bundle_view(bundle, catalogue)
    trial = Trial(bundle, held_out.picked(order), view)
    asked = questions(trial, question_blocks() if blocks is None else blocks)
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        held_against = pool.submit(backdrop_of, trial)
        shown = show(trial, asked, How(PLACES, threads, auc))
        backdrop = held_against.result()
        seconds = perf_counter() - began
        keyed = np.argsort(order)
        verdicts = pool.map(lambda one: _verdict(trial, one, backdrop, keyed, seconds), shown)
        return {one.question: one for one in verdicts}


def _verdict(
    trial: Trial, shown: Shown, backdrop: Backdrop, keyed: NDArray[np.int64], seconds: float
) -> Evaluation:
    """The evaluation of one question.

    Args:
        trial: Bundle and customers.
        shown: What the block showed them.
        backdrop: What it is held against.
        keyed: The customers in the order of their keys.
        seconds: That it took.

    Raises:
        NotEnoughData: Fewer than two customers have a target.
    """
    held_out, block = trial.held_out, shown.question.block
    wanted = held_out.wanted.where(shown.question.wanted)
    customers = keyed[wanted.lengths[keyed] > 0]
    if len(customers) < MIN_CUSTOMERS:
        message = (
            f"{len(customers)} of {len(held_out.customers)} customers have a target "
            f"for block {block.name}: judging needs at least {MIN_CUSTOMERS}; "
            "hold out more time"
        )
        raise NotEnoughData(message)
    found = hits_of(trial, shown, customers)
    rows, held_against = shown.rows[customers], backdrop.picked(customers)
    metrics: dict[str, NDArray[np.float64]] = {}
    for k in CUTOFFS:
        metrics |= hit_metrics(found, k, repeats=block.allow_repeats)
        metrics |= slate_metrics(rows, held_against, k)
    if shown.auc is not None:
        metrics[AUC] = shown.auc[customers]
    seen = np.bincount(rows[rows != EMPTY], minlength=1) > 0
    share = int(seen.sum()) / max(1, int(shown.question.eligible.sum()))
    overall = {name_at(COVERAGE, PLACES): share}
    return Evaluation(
        algorithm=trial.bundle.manifest.algorithm,
        question=block.name,
        customers=tuple(held_out.customers[n] for n in customers),
        per_customer=metrics,
        summary=Intervals(metrics, overall),
        seconds=seconds,
        overall=overall,
    )
