"""A share of the places for new items, which no model can know much about yet."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from serving.ranking.rules.pool import Mask, Pool, of_chosen
from serving.ranking.top import Rows

MICROSECONDS_A_DAY = 86_400_000_000
_ROUNDING = 1e-9
"""A share is written as a decimal fraction: 0.1 of 10 places is one, whatever floats make of it."""


def new_share(pool: Pool, chosen: Rows, able: Mask) -> Mask:
    """All, or only new items where they would else have less than their share of the places so far.

    So of 8 places with a share of 0.25 a new item has one of the first 4, and another of the rest.
    """
    due = math.floor((pool.block.new_share or 0.0) * (chosen.shape[1] + 1) + _ROUNDING)
    if not due:
        return able
    new = is_new(pool.view.opens[pool.rows], pool.block.new_days, pool.moment)
    kept = np.count_nonzero(of_chosen(new, chosen), axis=1) >= due
    taking: Mask = able & (new | kept[:, None])
    return taking


def is_new(opens: NDArray[np.int64], days: float, moment: int) -> Mask:
    """Which items became available within so many days; none that always was.

    Args:
        opens: Available from, microseconds since 1970, as `ItemView` has it.
        days: Before the moment.
        moment: Microseconds since 1970.
    """
    return (opens > moment - round(days * MICROSECONDS_A_DAY)) & (opens <= moment)
