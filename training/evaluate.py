"""Judges bundles on held-out time, through the chain that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from serving.model.bundle import Bundle
from serving.ranking.blocks import Block
from training.heldout import HeldOut
from training.metrics import Interval

EXPLORE = "explore"
"""No repeats: can the model find what a customer has not owned before?"""
REPEAT = "repeat"
"""Repeats allowed: can it find whatever the customer buys next?"""
PRIMARY = EXPLORE
"""The question that the gate asks."""


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
        """Metric's full name → mean, as a tracker logs it."""
        return {name: interval.mean for name, interval in self.summary.items()}


def question_blocks() -> tuple[Block, ...]:
    """The blocks that stand for the questions `EXPLORE` and `REPEAT`."""
    raise NotImplementedError


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
            held-out time except what the block itself would never show.

    Raises:
        NotEnoughData: Fewer than two customers have a target.
    """
    raise NotImplementedError
