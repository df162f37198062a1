"""Fits churn models: gradient boosting, and the logistic regression that it must beat.

Both are fitted on all snapshots but the latest, whose customers then choose the calibration (and
the number of trees): a probability is calibrated on later time than it was learnt from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from features.definitions.table import FEATURES
from features.errors import NotEnoughData
from training.churn.bands import thresholds
from training.churn.calibrate import choose_calibration, sigmoid
from training.churn.metrics import log_loss
from training.churn.model import (
    GRADIENT_BOOSTING,
    RFM_LOGISTIC,
    Algorithm,
    ChurnFacts,
    ChurnManifest,
    ChurnModel,
    Core,
    Logistic,
)
from training.churn.snapshots import Horizon, Snapshot, stack
from training.churn.trees import trees_of

RFM: Final = ("recency_days", "purchase_days", "spend")
"""What the logistic regression reads."""
MIN_EACH: Final = 10
"""Customers who churned, and who stayed, that there must be on either side of the latest T."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class BoostingParams:
    """Parameters of gradient boosting.

    Attributes:
        trees: The most; the latest snapshot chooses how many are kept.
        learning_rate: Share of each tree's step that is taken.
        leaves: Of each tree at the most.
        leaf_share: Rows of a leaf, as a share of all; at least 5 and at most 80 rows.
        l2: Ridge on the leaves.
        columns: Share of features that each split may choose from.
        seed: Of that choice.
    """

    trees: int = 400
    learning_rate: float = 0.03
    leaves: int = 15
    leaf_share: float = 0.005
    l2: float = 10.0
    columns: float = 0.5
    seed: int = 17


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
    sides = {"the latest snapshot": snapshots[:1], "the snapshots before it": snapshots[1:]}
    for name, side in sides.items():
        churned = sum(int(one.churned.sum()) for one in side)
        stayed = sum(len(one.churned) for one in side) - churned
        if min(churned, stayed) < MIN_EACH:
            message = (
                f"churn: {churned} customers churned and {stayed} stayed in {name}; a model needs "
                f"{MIN_EACH} of each: wait for more history, or change HOMING_CHURN_HORIZON_DAYS"
            )
            raise NotEnoughData(message)


def fit_boosting(
    snapshots: Sequence[Snapshot], params: BoostingParams, source: Source, created_at: datetime
) -> ChurnModel:
    """Gradient boosting on every feature.

    Args:
        snapshots: The latest first; at least two.
        params: Of the fit.
        source: Where they came from.
        created_at: Aware, UTC.

    Raises:
        NotEnoughData: As `check_snapshots`.
    """
    check_snapshots(snapshots)
    features, churned = stack(snapshots[1:], FEATURES)
    later, came = stack(snapshots[:1], FEATURES)
    ones = np.ones((1, len(came)))
    # One thread: a tree is too little work to share, and threads that wait for it burn a core.
    with threadpool_limits(1):
        fitted = _boosted(features, churned, params)
        losses = [
            float(log_loss(came, said[:, 1], ones)[0])
            for said in fitted.staged_predict_proba(later)
        ]
    kept = int(np.argmin(losses)) + 1
    core = trees_of(fitted, kept)
    return _model(
        GRADIENT_BOOSTING, core, snapshots, source, created_at, {**asdict(params), "kept": kept}
    )


def fit_logistic(snapshots: Sequence[Snapshot], source: Source, created_at: datetime) -> ChurnModel:
    """Logistic regression on recency, frequency and monetary value.

    Args:
        snapshots: The latest first; at least two.
        source: Where they came from.
        created_at: Aware, UTC.

    Raises:
        NotEnoughData: As `check_snapshots`.
    """
    check_snapshots(snapshots)
    features, churned = stack(snapshots[1:], RFM)
    known = np.log1p(np.maximum(features, 0))
    scaler = StandardScaler().fit(known)
    fitted = LogisticRegression().fit(scaler.transform(known), churned)
    core = Logistic(
        center=scaler.mean_,
        scale=scaler.scale_,
        weight=fitted.coef_[0],
        bias=float(fitted.intercept_[0]),
    )
    return _model(RFM_LOGISTIC, core, snapshots, source, created_at, {"C": 1.0})


def _boosted(
    features: Floats, churned: Bools, params: BoostingParams
) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=params.trees,
        learning_rate=params.learning_rate,
        max_leaf_nodes=params.leaves,
        min_samples_leaf=int(np.clip(len(features) * params.leaf_share, 5, 80)),
        l2_regularization=params.l2,
        max_features=params.columns,
        early_stopping=False,
        random_state=params.seed,
    ).fit(features, churned)


def _model(
    algorithm: Algorithm,
    core: Core,
    snapshots: Sequence[Snapshot],
    source: Source,
    created_at: datetime,
    params: dict[str, float | int | str | bool | None],
) -> ChurnModel:
    """The fitted core, calibrated on the latest snapshot."""
    names = FEATURES if algorithm == GRADIENT_BOOSTING else RFM
    later, came = stack(snapshots[:1], names)
    raw = sigmoid(core.log_odds(later))
    digest = hashlib.sha256("".join(one.checksum for one in snapshots).encode())
    base_rate = float(came.mean())
    manifest = ChurnManifest(
        algorithm=algorithm,
        params=params,
        features=tuple(names),
        horizon_days=source.horizon.ahead.days,
        active_days=source.horizon.active.days,
        calibration=choose_calibration(raw, came),
        base_rate=base_rate,
        thresholds=thresholds(base_rate),
        data=ChurnFacts(
            as_of=source.as_of,
            lake_version=source.lake_version,
            snapshots=tuple(one.at for one in snapshots),
            rows=sum(len(one.churned) for one in snapshots),
            churned=sum(int(one.churned.sum()) for one in snapshots),
            checksum=digest.hexdigest(),
        ),
        created_at=created_at,
        homing=version("homing"),
    )
    return ChurnModel(manifest, core)
