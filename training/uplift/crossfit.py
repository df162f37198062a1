"""Cross-fitting: what is said of a customer comes from a learner that never saw that customer.

The learner, too, is chosen without the customers that it is judged on: within each fold's training
part, by the squared distance of its uplift to the doubly robust one (Kennedy, "Towards optimal
doubly robust estimation of heterogeneous causal effects", 2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from features.progress import Advance
from training.uplift.campaign import Campaign
from training.uplift.learners import (
    BASES,
    LEARNERS,
    SEED,
    Base,
    Learner,
    effects,
    fit_means,
    predict,
)

Floats = NDArray[np.float64]

FOLDS: Final = 4
INNER_FOLDS: Final = 2
"""Of a fold's training part, to choose the learner."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """What was said of each customer by learners that never saw it.

    Attributes:
        effect: What each arm adds, (customers, arms); 0 for the control.
        mean: Outcome under each arm, (customers, arms).
        learners: The learner of each fold.
    """

    effect: Floats
    mean: Floats
    learners: tuple[Learner, ...]


def cross_fit(campaign: Campaign, advance: Advance, *, seed: int = SEED) -> Crossed:
    """Effects and means of every customer.

    Args:
        campaign: Randomised.
        advance: Told of folds done, and of all.
        seed: Of the folds.
    """
    shape = (len(campaign.arm), len(campaign.arms))
    effect, mean, learners = np.empty(shape), np.empty(shape), []
    # One thread: a tree is too little work to share, and threads that wait for it burn a core.
    with threadpool_limits(1):
        for done, (train, test) in enumerate(_folds(campaign, FOLDS, seed), start=1):
            part, asked = campaign.rows(train), campaign.features[test]
            learner, nuisance = _choose(part, seed)
            means = {base: fit_means(base, part) for base in {learner.base, nuisance}}
            effect[test] = effects(learner.kind, learner.base, means[learner.base], part, asked)
            mean[test] = predict(means[nuisance], asked)
            learners.append(learner)
            advance(done, FOLDS)
    return Crossed(effect, mean, tuple(learners))


def doubly_robust(campaign: Campaign, mean: Floats) -> Floats:
    """What each customer's outcome would be under each arm, (customers, arms), unbiased.

    The augmented inverse-propensity score (Robins, Rotnitzky & Zhao 1994): what a model says, and
    for the arm that came, its error weighted by one over the chance of the arm.
    """
    score = mean.copy()
    rows = np.arange(len(campaign.arm))
    error = campaign.outcome - mean[rows, campaign.arm]
    score[rows, campaign.arm] += error / campaign.shares[campaign.arm]
    return score


def _choose(campaign: Campaign, seed: int) -> tuple[Learner, Base]:
    """The learner of the best effects, and the base of the best means."""
    shape = (len(campaign.arm), len(campaign.arms))
    mean = {base: np.empty(shape) for base in BASES}
    effect = {learner: np.empty(shape) for learner in LEARNERS}
    for train, test in _folds(campaign, INNER_FOLDS, seed):
        part, asked = campaign.rows(train), campaign.features[test]
        for base in BASES:
            means = fit_means(base, part)
            mean[base][test] = predict(means, asked)
            for one in (learner for learner in LEARNERS if learner.base == base):
                effect[one][test] = effects(one.kind, base, means, part, asked)
    rows = np.arange(len(campaign.arm))
    errors = {
        base: float(((campaign.outcome - said[rows, campaign.arm]) ** 2).mean())
        for base, said in mean.items()
    }
    nuisance = min(errors, key=errors.__getitem__)
    score = doubly_robust(campaign, mean[nuisance])
    target = score - score[:, :1]
    losses = {one: float(((target - said) ** 2).mean()) for one, said in effect.items()}
    return min(losses, key=losses.__getitem__), nuisance


def _folds(
    campaign: Campaign, folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to learn from and rows to judge on, each arm in every fold as in the whole."""
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    yield from split.split(campaign.features, campaign.arm)
