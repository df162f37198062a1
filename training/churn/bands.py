"""Bands: a churn probability as a word that a campaign can be steered by.

The rule compares a customer's odds with those of the average customer, because what counts as
much differs between shops: at the base rate 12 % of a grocer a probability of 0.3 is alarming, at
the 70 % of a furniture shop it is splendid.

- ``high``: the odds are at least twice the base odds;
- ``low``: the odds are at most half the base odds;
- ``medium``: anything between.

The base rate is the share of churned customers in the latest snapshot that the model was fitted
on, and both thresholds are kept in its manifest.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Band = Literal["low", "medium", "high"]
BANDS: Final[tuple[Band, ...]] = ("low", "medium", "high")
TIMES: Final = 2.0
"""How many times the base odds begin `high`; its inverse ends `low`."""


class Thresholds(msgspec.Struct, frozen=True):
    """Where bands begin and end, as probabilities.

    Attributes:
        low: `low` up to this, inclusive.
        high: `high` from this on, inclusive.
    """

    low: float
    high: float


def thresholds(base_rate: float) -> Thresholds:
    """The thresholds of the rule.

    Args:
        base_rate: In (0, 1).
    """
    odds = base_rate / (1 - base_rate)
    return Thresholds(*(times * odds / (1 + times * odds) for times in (1 / TIMES, TIMES)))


def bands(probabilities: NDArray[np.float64], ends: Thresholds) -> list[Band]:
    """The band of each probability."""
    places = (probabilities > ends.low).astype(int) + (probabilities >= ends.high)
    return [BANDS[place] for place in places]
