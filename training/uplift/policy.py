"""Policies: who gets which mail, and what that is worth, told from a campaign by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.metrics import Interval
from training.uplift.campaign import Campaign
from training.uplift.crossfit import doubly_robust
from training.uplift.resample import intervals

Floats = NDArray[np.float64]

CHOSEN: Final = "each their own"
"""The policy that chooses for each customer."""


@dataclass(frozen=True)
class Value:
    """What a policy is worth: its outcome less its cost, a customer.

    Attributes:
        policy: `CHOSEN`, or the arm that everybody gets.
        weighted: By inverse propensity: from those alone who happened to get what it gives.
        robust: Doubly robust: the same, helped by what models say of the others.
        gain_weighted: How much more `CHOSEN` is worth, by inverse propensity.
        gain_robust: The same, doubly robust; by this a policy is judged.
    """

    policy: str
    weighted: Interval
    robust: Interval
    gain_weighted: Interval
    gain_robust: Interval


def choose(effect: Floats, costs: Floats) -> NDArray[np.int64]:
    """The arm of each customer: the one of the greatest predicted effect less its cost.

    Args:
        effect: What each arm adds, (customers, arms).
        costs: Of sending each arm to one customer, (arms,), in units of the outcome.
    """
    return np.asarray(np.argmax(effect - costs, axis=1), dtype=np.int64)


def costs_of(campaign: Campaign, costs: Mapping[str, float]) -> Floats:
    """What sending each arm costs, (arms,); 0 where nothing is said."""
    return np.array([costs.get(arm, 0.0) for arm in campaign.arms])


def values(
    campaign: Campaign, chosen: NDArray[np.int64], mean: Floats, costs: Floats, *, seed: int = 0
) -> list[Value]:
    """What choosing is worth, and each arm for everybody, the control for "nobody" included.

    Both estimates are unbiased in a randomised campaign if what was chosen for a customer, and
    what models say of it, came from others: Horvitz & Thompson 1952; Robins, Rotnitzky & Zhao 1994;
    Dudík, Langford & Li 2011. All figures come from the same resamples, so gains are paired.

    Args:
        campaign: Randomised.
        chosen: Place of the arm that the policy gives each customer, (customers,).
        mean: Outcome under each arm, (customers, arms), cross-fitted.
        costs: Of each arm, (arms,).
        seed: Of the resamples.
    """
    weighted = doubly_robust(campaign, np.zeros_like(mean)) - costs
    robust = doubly_robust(campaign, mean) - costs
    columns: list[Floats] = []
    for score in (weighted, robust):
        own = np.take_along_axis(score, chosen[:, None], axis=1)
        each = np.column_stack([own, score])
        columns += [each, own - each]
    table = np.column_stack(columns)
    found = intervals(lambda weights: weights @ table / len(table), len(table), seed=seed)
    width = len(campaign.arms) + 1
    by_weight, gain_by_weight, robustly, gain_robustly = (
        found[at : at + width] for at in range(0, 4 * width, width)
    )
    return [
        Value(policy, *of)
        for policy, *of in zip(
            (CHOSEN, *campaign.arms),
            by_weight,
            robustly,
            gain_by_weight,
            gain_robustly,
            strict=True,
        )
    ]
