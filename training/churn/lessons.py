"""What churn models learn from: snapshots as tables, and how much each customer counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughData
from training.churn.bgnbd import BgNbd
from training.churn.model import table_of
from training.churn.snapshots import Horizon, Snapshot

MIN_EACH: Final = 10
"""Customers who churned, and who stayed, that there must be on either side of the latest T."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """Where the snapshots came from.

    Attributes:
        horizon: What churn means.
        as_of: Events before it were read, labels included.
        lake_version: Of the table of events.
    """

    horizon: Horizon
    as_of: datetime
    lake_version: int


def check_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """Raise unless there is enough to fit on and to calibrate on.

    Args:
        snapshots: The latest first.

    Raises:
        NotEnoughData: Fewer than two snapshots, or too few churned or stayed on either side.
    """
    check_counts([(len(one.churned), int(one.churned.sum())) for one in snapshots])


def check_counts(counts: Sequence[tuple[int, int]]) -> None:
    """The same, of how many were active at each snapshot, and how many of them churned."""
    sides = {"the latest snapshot": counts[:1], "the snapshots before it": counts[1:]}
    for name, side in sides.items():
        churned = sum(gone for _, gone in side)
        stayed = sum(active for active, _ in side) - churned
        if min(churned, stayed) < MIN_EACH:
            message = (
                f"churn: {churned} customers churned and {stayed} stayed in {name}; a model needs "
                f"{MIN_EACH} of each: wait for more history, or change HOMING_CHURN_HORIZON_DAYS"
            )
            raise NotEnoughData(message)


@dataclass(frozen=True, eq=False)
class Lessons:
    """Customers that are learnt from.

    Attributes:
        table: (rows, columns).
        churned: (rows,).
        weights: How much each counts, (rows,), 1 on average.
    """

    table: Floats
    churned: Bools
    weights: Floats


@dataclass(frozen=True, eq=False)
class Data:
    """What a fit reads: the latest snapshot to calibrate on, those before it to learn from.

    Attributes:
        snapshots: The latest first.
        names: Of the features that are read.
        bgnbd: Whose columns are read behind them; None for none.
        source: Where the snapshots came from.
        created_at: When the model is made, aware, UTC.
    """

    snapshots: Sequence[Snapshot]
    names: tuple[str, ...]
    bgnbd: BgNbd | None
    source: Source
    created_at: datetime

    @cached_property
    def tables(self) -> list[Floats]:
        """Of each snapshot, (rows, columns)."""
        ahead = self.source.horizon.ahead.days
        return [table_of(one.features, self.names, self.bgnbd, ahead) for one in self.snapshots]

    @property
    def later(self) -> Floats:
        """Of the customers that are calibrated on, (rows, columns)."""
        return self.tables[0]

    @property
    def came(self) -> Bools:
        """Whether those churned, (rows,)."""
        return self.snapshots[0].churned

    def lessons(self, first: int, *, balanced: bool = True) -> Lessons:
        """The customers of all snapshots from one on.

        Args:
            first: 0 for all of them, 1 without the latest.
            balanced: Weighed so that in every snapshot as many churned as in the latest.
        """
        churned = [one.churned for one in self.snapshots[first:]]
        rate = float(self.came.mean())
        weights = [balance(one, rate) if balanced else np.ones(len(one)) for one in churned]
        return Lessons(
            np.concatenate(self.tables[first:]), np.concatenate(churned), np.concatenate(weights)
        )


def balance(churned: Bools, rate: float) -> Floats:
    """Weights with which that share churned, (rows,), 1 on average.

    A few customers say little of how many churn, so `MIN_EACH` of whom that share churned are
    counted in.

    Args:
        churned: Who did, (rows,); nobody may have been active then.
        rate: The share, in (0, 1).
    """
    came = (churned.sum() + MIN_EACH * rate) / (len(churned) + MIN_EACH)
    weights = np.where(churned, rate / came, (1 - rate) / (1 - came))
    return np.asarray(weights / weights.mean()) if len(weights) else weights
