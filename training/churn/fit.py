"""Fits churn models: the blend that serves, and the two baselines that it must beat.

All are fitted on snapshots before the latest, whose customers then choose the calibration (and
the number of trees, and their share in the blend): a probability is calibrated on later time than
it was learnt from. What serves of the blend then learns from the latest snapshot, too. BG/NBD
learns from what was before the latest snapshot, from everybody who ever bought.

How many churn changes from season to season, who does changes less. So the blend takes from every
snapshot who churns, and how many from the latest alone: there the others' cases and non-cases are
weighed until as many churn as in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from features.definitions.table import FEATURES
from training.churn.bands import thresholds
from training.churn.calibrate import Calibration, choose_calibration, fit_calibration
from training.churn.cores import (
    BG_NBD,
    BLEND,
    RFM_LOGISTIC,
    Algorithm,
    Blend,
    Core,
    Logistic,
    as_logged,
)
from training.churn.lessons import Data, Lessons, Source, check_snapshots
from training.churn.metrics import log_loss, losses, of_all
from training.churn.model import ChurnFacts, ChurnManifest, ChurnModel
from training.churn.odds import sigmoid
from training.churn.rhythm import RHYTHM, RHYTHM_COLUMNS, SILENCE
from training.churn.snapshots import Snapshot
from training.churn.trees import Trees, trees_of

RFM: Final = ("recency_days", "purchase_days", "spend")
"""What the plain logistic regression reads, each as ln(1 + x)."""
CORRECTED: Final[Mapping[str, bool]] = {
    SILENCE: False,
    "p_alive": False,
    "expected_purchases": True,
    "purchase_days": True,
    "recency_days": False,
    "spend_per_purchase_day": True,
}
"""What the blend's logistic regression reads → whether as ln(1 + x). It corrects BG/NBD, which
weighs recency too heavily where customers pause, and knows nothing of money."""
RIDGE: Final = 50.0
"""Ridge on its weights: what some tens of customers say of a column is not believed."""
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of the trees that the blend chooses from; from the simplest."""
TINY: Final = 1e-12
"""The least that a column is divided by: one that never changes tells nothing."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class BoostingParams:
    """Parameters of gradient boosting.

    Trees are small, since customers of the next season are not those of the last: larger ones
    fit the snapshots better and later time worse.

    Attributes:
        trees: The most; the latest snapshot chooses how many are kept.
        learning_rate: Share of each tree's step that is taken.
        leaves: Of each tree at the most.
        leaf_share: Rows of a leaf, as a share of all; at least 5 and at most 80 rows.
        l2: Ridge on the leaves.
        columns: Share of features that each split may choose from.
        bins: Of each feature; more take longer to find, since rows are weighed, than trees to grow.
        seed: Of that choice.
    """

    trees: int = 400
    learning_rate: float = 0.03
    leaves: int = 6
    leaf_share: float = 0.005
    l2: float = 10.0
    columns: float = 0.5
    bins: int = 48
    seed: int = 17


def fit_blend(
    snapshots: Sequence[Snapshot], params: BoostingParams, source: Source, created_at: datetime
) -> ChurnModel:
    """Gradient boosting on every feature and on BG/NBD, blended with a logistic regression on them.

    Args:
        snapshots: The latest first; at least two.
        params: Of the trees.
        source: Where they came from.
        created_at: Aware, UTC.

    Raises:
        NotEnoughData: As `check_snapshots`; or too few customers bought again for BG/NBD.
    """
    check_snapshots(snapshots)
    data = Data(snapshots, FEATURES, snapshots[0].bgnbd, source, created_at)
    names = FEATURES + RHYTHM_COLUMNS
    # One thread: a tree is too little work to share, and threads that wait for it burn a core.
    with threadpool_limits(1):
        earlier, everybody = data.lessons(1), data.lessons(0)
        grown, kept = _best_on_the_latest(_boosted(earlier, params, params.trees), data)
        first = _chosen(grown, _logistic(earlier, names, CORRECTED, RIDGE), data)
        trees = trees_of(_boosted(everybody, params, kept), kept)
        logistic = _logistic(everybody, names, CORRECTED, RIDGE)
    final = _levelled(Blend(trees, logistic, first.share), first, data.later)
    learnt = {**asdict(params), "kept": kept, "share": first.share, "ridge": RIDGE}
    return _model(BLEND, final, data, learnt, _calibration(first, data))


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
    data = Data(snapshots, RFM, None, source, created_at)
    core = _logistic(data.lessons(1, balanced=False), RFM, dict.fromkeys(RFM, True), 1.0)
    return _model(RFM_LOGISTIC, core, data, {"ridge": 1.0}, _calibration(core, data))


def fit_silence(snapshots: Sequence[Snapshot], source: Source, created_at: datetime) -> ChurnModel:
    """BG/NBD alone: its chance of no purchase within the horizon, calibrated like the others.

    Args:
        snapshots: The latest first; at least two.
        source: Where they came from.
        created_at: Aware, UTC.

    Raises:
        NotEnoughData: As `fit_blend`.
    """
    check_snapshots(snapshots)
    data = Data(snapshots, RHYTHM, snapshots[0].bgnbd, source, created_at)
    only = np.array([name == SILENCE for name in RHYTHM + RHYTHM_COLUMNS], dtype=np.float64)
    plain = np.zeros_like(only)
    core = Logistic(plain.astype(np.uint8), plain, plain + 1, only, 0.0)
    return _model(BG_NBD, core, data, {}, _calibration(core, data))


def _boosted(
    lessons: Lessons, params: BoostingParams, trees: int
) -> HistGradientBoostingClassifier:
    """So many fitted trees."""
    return HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=params.learning_rate,
        max_leaf_nodes=params.leaves,
        min_samples_leaf=int(np.clip(len(lessons.table) * params.leaf_share, 5, 80)),
        l2_regularization=params.l2,
        max_features=params.columns,
        max_bins=params.bins,
        early_stopping=False,
        random_state=params.seed,
    ).fit(lessons.table, lessons.churned, lessons.weights)


def _best_on_the_latest(fitted: HistGradientBoostingClassifier, data: Data) -> tuple[Trees, int]:
    """The first trees, as many as are best on the latest snapshot; and how many they are."""
    said = (rows[:, 1] for rows in fitted.staged_predict_proba(data.later))
    kept = int(np.argmin([of_all(log_loss, data.came, one) for one in said])) + 1
    return trees_of(fitted, kept), kept


def _logistic(
    lessons: Lessons, columns: Sequence[str], read: Mapping[str, bool], ridge: float
) -> Logistic:
    """Logistic regression on some columns.

    Args:
        lessons: Learnt from.
        columns: Names of all columns.
        read: Name of a column that is read → whether as ln(1 + x).
        ridge: Half of it times the squares of the weights is added to the sum of the losses.
    """
    used = np.array([columns.index(name) for name in read])
    logged = np.array([read.get(name, False) for name in columns], dtype=np.uint8)
    known = as_logged(lessons.table, logged)[:, used]
    center, scale, weight = np.zeros(len(columns)), np.ones(len(columns)), np.zeros(len(columns))
    center[used] = known.mean(axis=0)
    scale[used] = np.maximum(known.std(axis=0), TINY)
    standard = (known - center[used]) / scale[used]
    fitted = LogisticRegression(C=1 / ridge).fit(standard, lessons.churned, lessons.weights)
    weight[used] = fitted.coef_[0]
    return Logistic(logged, center, scale, weight, float(fitted.intercept_[0]))


def _levelled(final: Blend, first: Blend, table: Floats) -> Blend:
    """The final blend, saying on average what the first one did.

    The first was calibrated on customers that it had not seen. The final one has, so that it knows
    already how many of them churned, and the calibration would correct that once more.

    Args:
        final: Fitted on what was calibrated on, too.
        first: Not.
        table: What was calibrated on, (rows, columns).
    """
    off = float((first.log_odds(table) - final.log_odds(table)).mean())
    return Blend(
        replace(final.trees, base=final.trees.base + off),
        replace(final.logistic, bias=final.logistic.bias + off),
        final.share,
    )


def _chosen(trees: Trees, logistic: Logistic, data: Data) -> Blend:
    """The simplest blend that the best one does not surely beat on the latest snapshot.

    By the rule of one standard error (Breiman et al., "Classification and Regression Trees", 1984)
    on the log-loss after a sigmoid: on few customers the best is the luckiest.

    Args:
        trees: Fitted on what was before it.
        logistic: So, too.
        data: Judged on its latest snapshot.
    """
    blends = [Blend(trees, logistic, share) for share in SHARES]
    lost = np.stack([_calibrated_losses(one, data) for one in blends])
    behind = lost - lost[np.argmin(lost.mean(axis=1))]
    error = behind.std(axis=1) / np.sqrt(lost.shape[1])
    return blends[int(np.argmax(behind.mean(axis=1) <= error))]


def _calibrated_losses(core: Core, data: Data) -> Floats:
    """-ln of what was said of what came, after a sigmoid, (rows,)."""
    raw = sigmoid(core.log_odds(data.later))
    return losses(data.came, fit_calibration("sigmoid", raw, data.came).apply(raw))


def _calibration(core: Core, data: Data) -> Calibration:
    """From what a core says to what came of the customers of the latest snapshot.

    Args:
        core: Fitted on what was before it.
        data: Calibrated on its latest snapshot.
    """
    return choose_calibration(sigmoid(core.log_odds(data.later)), data.came)


def _model(
    algorithm: Algorithm,
    core: Core,
    data: Data,
    params: dict[str, float | int | str | bool | None],
    calibration: Calibration,
) -> ChurnModel:
    """The fitted core with what it says of itself."""
    digest = hashlib.sha256("".join(one.checksum for one in data.snapshots).encode())
    base_rate = float(data.came.mean())
    manifest = ChurnManifest(
        algorithm=algorithm,
        params=params,
        features=data.names,
        bgnbd=data.bgnbd,
        horizon_days=data.source.horizon.ahead.days,
        active_days=data.source.horizon.active.days,
        calibration=calibration,
        base_rate=base_rate,
        thresholds=thresholds(base_rate),
        data=ChurnFacts(
            as_of=data.source.as_of,
            lake_version=data.source.lake_version,
            snapshots=tuple(one.at for one in data.snapshots),
            rows=sum(len(one.churned) for one in data.snapshots),
            churned=sum(int(one.churned.sum()) for one in data.snapshots),
            checksum=digest.hexdigest(),
        ),
        created_at=data.created_at,
        homing=version("homing"),
    )
    return ChurnModel(manifest, core)
