"""A randomised campaign: who got which mail, by chance, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from features.errors import InvalidArgument

UNLIKELY: Final = 1e-4
"""A feature that differs so between arms by chance once in ten thousand campaigns is no feature."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Campaign:
    """What was known before, what was sent, and what came of it.

    Attributes:
        names: Of the features, (features,).
        features: Known before the mail, (customers, features); NaN where a value is missing.
        arms: Names of what could be sent, the control first.
        arm: What each customer got, its place in `arms`, (customers,).
        outcome: What came of it, (customers,), finite.
        measure: What the outcome is called.
        left_out: Columns of the file that are no features, and why.
    """

    names: Sequence[str]
    features: Floats
    arms: Sequence[str]
    arm: NDArray[np.int64]
    outcome: Floats
    measure: str = "outcome"
    left_out: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def shares(self) -> Floats:
        """The chance of each arm, (arms,): in a randomised campaign its share of the customers."""
        return np.bincount(self.arm, minlength=len(self.arms)) / len(self.arm)

    def rows(self, chosen: NDArray[np.int64]) -> Self:
        """The campaign of these customers alone."""
        return type(self)(
            names=self.names,
            features=self.features[chosen],
            arms=self.arms,
            arm=self.arm[chosen],
            outcome=self.outcome[chosen],
            measure=self.measure,
        )


def check_randomised(campaign: Campaign) -> None:
    """Whether chance alone told who got what: no feature may differ between the arms.

    One-way analysis of variance for each feature (Fisher 1925), with Bonferroni's correction for
    their number. A feature that differs was measured after the mail, or told who got it: either
    way an effect can't be read from it.

    Raises:
        InvalidArgument: A feature differs; the message names it.
    """
    chances = [_same_in_all_arms(column, campaign.arm) for column in campaign.features.T]
    if chances and min(chances) < UNLIKELY / len(chances):
        worst = campaign.names[int(np.argmin(chances))]
        raise InvalidArgument.of(
            worst,
            field="column",
            reason="differs between the arms, by more than chance",
            cure="leave it out with --ignore if it was measured after the mail; else the campaign "
            "was not randomised, and no effect can be told from it",
        )


def _same_in_all_arms(column: Floats, arm: NDArray[np.int64]) -> float:
    """How likely means differ as much by chance: the p-value of one-way analysis of variance."""
    known = np.isfinite(column)
    value = np.where(known, column, column[known].mean())
    counts = np.bincount(arm)
    means = np.bincount(arm, value) / counts
    between = float(counts @ (means - value.mean()) ** 2) / (len(counts) - 1)
    within = float(((value - means[arm]) ** 2).sum()) / (len(value) - len(counts))
    if not within:
        return 0.0 if between else 1.0
    return float(f_distribution.sf(between / within, len(counts) - 1, len(value) - len(counts)))
