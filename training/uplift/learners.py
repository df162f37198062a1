"""Uplift learners: what each arm would add for each customer, out of a randomised campaign.

Künzel, Sekhon, Bickel & Yu, "Metalearners for estimating heterogeneous treatment effects using
machine learning", PNAS 2019. Each arm is compared with the control. Bases fit squared error, whose
minimum is the mean whatever the outcome is: a visit, a purchase, money.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.uplift.campaign import Campaign

Floats = NDArray[np.float64]
Kind = Literal["T", "X"]
Base = Literal["boosting", "linear"]

TREES: Final = 80
RATE: Final = 0.05
LEAVES: Final = 6
LEAF_ROWS: Final = 60
RIDGE: Final = 10.0
ALPHAS: Final = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
"""Of the linear base; generalised cross-validation chooses."""
SEED: Final = 17


class Predictor(Protocol):
    """A fitted base."""

    def predict(self, features: Floats) -> Floats:
        """The mean outcome, (rows,), of features (rows, columns)."""
        ...


@dataclass(frozen=True)
class Learner:
    """A way to learn uplift.

    Attributes:
        kind: `T` takes the difference of two means; `X` fits the differences themselves.
        base: What fits.
    """

    kind: Kind
    base: Base

    def __str__(self) -> str:
        """As a report names it."""
        return f"{self.kind}-learner, {self.base}"


LEARNERS: Final = tuple(
    Learner(kind, base) for kind in ("T", "X") for base in ("linear", "boosting")
)


def _boosting() -> Any:  # noqa: ANN401 - scikit-learn has no types
    return HistGradientBoostingRegressor(
        max_iter=TREES,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAF_ROWS,
        l2_regularization=RIDGE,
        early_stopping=False,
        random_state=SEED,
    )


def _linear() -> Any:  # noqa: ANN401 - scikit-learn has no types
    known = SimpleImputer(keep_empty_features=True)
    return make_pipeline(known, StandardScaler(), RidgeCV(ALPHAS))


BASES: Final[dict[Base, Callable[[], Any]]] = {"boosting": _boosting, "linear": _linear}


def fit(base: Base, features: Floats, target: Floats) -> Predictor:
    """A base, fitted on features (rows, columns) and a target (rows,)."""
    fitted: Predictor = BASES[base]().fit(features, target)
    return fitted


def fit_means(base: Base, campaign: Campaign) -> list[Predictor]:
    """The mean outcome under each arm, as functions of the features; one an arm."""
    return [
        fit(base, campaign.features[got], campaign.outcome[got])
        for got in (campaign.arm == arm for arm in range(len(campaign.arms)))
    ]


def predict(means: Sequence[Predictor], features: Floats) -> Floats:
    """What predictors say of each row, (rows, predictors)."""
    return np.column_stack([one.predict(features) for one in means])


def effects(
    kind: Kind, base: Base, means: Sequence[Predictor], campaign: Campaign, features: Floats
) -> Floats:
    """What each arm adds to the control's outcome, (rows, arms); the control's column is 0.

    Args:
        kind: Of the learner.
        base: Of the learner.
        means: From `fit_means` with the same base and campaign.
        campaign: What it is learnt from.
        features: Of whom it is asked, (rows, columns).
    """
    said = predict(means, features)
    if kind == "T":
        return np.asarray(said - said[:, :1])
    found = np.zeros_like(said)
    for arm in range(1, len(campaign.arms)):
        found[:, arm] = _crossed(base, means, campaign, arm, features)
    return found


def _crossed(
    base: Base, means: Sequence[Predictor], campaign: Campaign, arm: int, features: Floats
) -> Floats:
    """The X-learner's second and third step for one arm."""
    treated, control = campaign.arm == arm, campaign.arm == 0
    of_treated = campaign.outcome[treated] - means[0].predict(campaign.features[treated])
    of_control = means[arm].predict(campaign.features[control]) - campaign.outcome[control]
    on_treated = fit(base, campaign.features[treated], of_treated)
    on_control = fit(base, campaign.features[control], of_control)
    share = campaign.shares[arm] / (campaign.shares[arm] + campaign.shares[0])
    both = share * on_control.predict(features) + (1 - share) * on_treated.predict(features)
    return np.asarray(both)
