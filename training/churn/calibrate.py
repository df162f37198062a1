"""Turns a model's raw probability into one that comes true as often as it says.

Three ways, and the data choose: leave it, a sigmoid of its log-odds (Platt, 1999), or a monotone
step-wise line (isotonic regression; Zadrozny & Elkan, 2002). Isotonic needs many cases and a
sigmoid few, so the way with the least cross-validated log-loss on later time wins, and a simpler
way wins a tie.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from training.churn.metrics import log_loss, of_all
from training.churn.odds import CLIP, log_odds, sigmoid

Kind = Literal["none", "sigmoid", "isotonic"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

KINDS: Final[tuple[Kind, ...]] = ("none", "sigmoid", "isotonic")
"""From the simplest."""
FOLDS: Final = 5
ENOUGH: Final = 2 * FOLDS
"""Cases and others that each must be there before anything but `none` is tried."""
WORTH: Final = 5e-4
"""A less simple way must lower the log-loss by more than this, in nats."""


class Calibration(msgspec.Struct, frozen=True):
    """A fitted calibration, as plain numbers.

    Attributes:
        kind: How.
        x: Sigmoid: (slope,). Isotonic: raw probabilities, ascending.
        y: Sigmoid: (intercept,). Isotonic: the calibrated ones; between two, a straight line.
    """

    kind: Kind = "none"
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def apply(self, raw: Floats) -> Floats:
        """Calibrated probabilities, (rows,), in [0, 1]."""
        if self.kind == "sigmoid":
            return sigmoid(self.x[0] * log_odds(raw) + self.y[0])
        if self.kind == "isotonic":
            return np.interp(raw, self.x, self.y)
        return np.asarray(raw)


def fit_calibration(kind: Kind, raw: Floats, happened: Bools) -> Calibration:
    """The calibration of one kind.

    Args:
        kind: How.
        raw: What the model said of rows that it was not fitted on, (rows,).
        happened: What came of them; both classes.
    """
    if kind == "sigmoid":
        found = LogisticRegression(C=1e6).fit(log_odds(raw)[:, None], happened)
        # A slope below 0 would turn the model's order round: then it has nothing to say.
        slope = max(float(found.coef_[0, 0]), 0.0)
        return Calibration("sigmoid", (slope,), (float(found.intercept_[0]),))
    if kind == "isotonic":
        line = IsotonicRegression(y_min=CLIP, y_max=1 - CLIP, out_of_bounds="clip")
        line.fit(raw, happened.astype(np.float64))
        x, y = line.X_thresholds_, line.y_thresholds_
        return Calibration("isotonic", tuple(map(float, x)), tuple(map(float, y)))
    return Calibration()


def choose_calibration(raw: Floats, happened: Bools, *, seed: int = 0) -> Calibration:
    """The calibration that cross-validation prefers; `none` where there is too little to judge.

    Args:
        raw: What the model said of later rows that it was not fitted on, (rows,).
        happened: What came of them.
        seed: Of the folds.
    """
    if min(int(happened.sum()), int((~happened).sum())) < ENOUGH:
        return Calibration()
    folds = list(
        StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(raw[:, None], happened)
    )
    best, least = KINDS[0], of_all(log_loss, happened, raw)
    for kind in KINDS[1:]:
        said = np.empty_like(raw)
        for fitted, held in folds:
            said[held] = fit_calibration(kind, raw[fitted], happened[fitted]).apply(raw[held])
        loss = of_all(log_loss, happened, said)
        if loss < least - WORTH:
            best, least = kind, loss
    return fit_calibration(best, raw, happened)
