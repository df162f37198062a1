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
    history: History = History()
    exclude: Collection[str] = ()
    count: int | None = None


def blocked_items(block: Block, history: History, now: datetime) -> set[str]:
    """Items that this block must not show to this customer: owned, or bought or returned lately."""
    raise NotImplementedError


def slate_rows(
    view: ItemView, scores: NDArray[np.float32] | None, ask: Ask, now: datetime
) -> NDArray[np.int64]:
    """The rows of one slate, best first.

    Args:
        view: Of the items that may come.
        scores: Score of each row, (rows,), not changed; by popularity alone when None. NaN and
            −inf count as no score at all, below every other.
        ask: What is asked.
        now: Aware.

    Returns:
        Unique rows that keep every rule of the block; as many as asked for, unless fewer items
        are eligible.
    """
    raise NotImplementedError


def rank_many(
    view: ItemView, scores: NDArray[np.float32] | None, asks: Sequence[Ask], now: datetime
) -> list[NDArray[np.int64]]:
    """The rows of many slates; each exactly what `slate_rows` gives for it.

    Args:
        view: Of the items that may come.
        scores: (asks, rows), not changed; by popularity alone when None.
        asks: One a customer; those of the same block share its filters.
        now: Aware.
    """
    raise NotImplementedError
