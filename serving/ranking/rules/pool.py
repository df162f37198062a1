"""What rules look at: the candidates of some slates, and which of them were chosen so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.ranking.blocks import Block
from serving.ranking.top import Rows
from serving.ranking.view import ItemView

_Value = TypeVar("_Value", bound=np.generic)

Mask = NDArray[np.bool_]
"""Which candidates, (slates, candidates)."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of some slates of one block.

    Attributes:
        view: Of the items.
        block: Its rules.
        rows: Rows of the view, (slates, candidates), best first; `EMPTY` where there is none.
        moment: When the mail is made, microseconds since 1970.
        places: How far each candidate stands from the best, in places, (slates, candidates); None
            where each stands right behind the one before.
    """

    view: ItemView
    block: Block
    rows: Rows
    moment: int
    places: NDArray[np.float64] | None = None

    @cached_property
    def relevance(self) -> NDArray[np.float64]:
        """Of each candidate, from 0 down by 1 over the block's slate; (slates or 1, candidates)."""
        places = np.arange(self.rows.shape[1])[None] if self.places is None else self.places
        return -places / self.block.size

    @cached_property
    def vectors(self) -> NDArray[np.float32] | None:
        """Unit vector of each candidate, (slates, candidates, factors), 0 for one that has none.

        None when the view knows no vectors.
        """
        if self.view.vectors is None:
            return None
        vectors = self.view.vectors[self.rows]
        lengths = np.sqrt((vectors * vectors).sum(axis=2, keepdims=True))
        units: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return units


Rule = Callable[[Pool, Rows, Mask], Mask]
"""What a rule is.

Args:
    pool: The candidates.
    chosen: Those that have the places so far, (slates, places): columns of the pool.
    able: Which may take the next place by the rules before this one; none that was chosen.

Returns:
    Which of those that are able may take it by this rule too.
"""


def of_chosen(values: NDArray[_Value], chosen: Rows) -> NDArray[_Value]:
    """An attribute of those that were chosen.

    Args:
        values: Of each candidate, (slates, candidates, …).
        chosen: Columns of the pool, (slates, places).

    Returns:
        (slates, places, …).
    """
    return values[np.arange(len(values))[:, None], chosen]


def beside(values: NDArray[_Value], chosen: Rows) -> tuple[NDArray[_Value], NDArray[_Value]]:
    """An attribute of the candidates beside that of those that were chosen.

    Args:
        values: Of each candidate, (slates, candidates).
        chosen: Columns of the pool, (slates, places).

    Returns:
        To compare with each other: (slates, candidates, 1) and (slates, 1, places).
    """
    return values[:, :, None], of_chosen(values, chosen)[:, None, :]


def below_cap(groups: Rows, chosen: Rows, able: Mask, cap: int) -> Mask:
    """Those of the able candidates of whose group fewer than `cap` were chosen.

    Args:
        groups: Number of each candidate's group, -1 for none: below any cap.
        chosen: As rules are given it.
        able: As rules are given it.
        cap: From 1.
    """
    if chosen.shape[1] < cap:
        return able
    candidates, others = beside(groups, chosen)
    taken = np.count_nonzero(candidates == others, axis=2)
    below: Mask = able & ((taken < cap) | (groups < 0))
    return below
