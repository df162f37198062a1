"""How good and how honest probabilities are, with bootstrap intervals over customers.

Every metric takes weights of shape (resamples, rows) and gives one value a resample, so that a
point estimate is a resample of ones and an interval is a thousand of them, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.metrics import Interval

AUC: Final = "auc"
PR_AUC: Final = "pr_auc"
LOG_LOSS: Final = "log_loss"
BRIER: Final = "brier"
ECE: Final = "ece"

LOWER_IS_BETTER: Final = frozenset({LOG_LOSS, BRIER, ECE})
BINS: Final = 10
"""Bins of the calibration error, of equal numbers of rows each."""
CLIP: Final = 1e-6
"""Probabilities nearer to 0 or 1 than this count as this in the log-loss."""
LEVEL: Final = 0.95
CHUNK: Final = 100
"""Resamples worked on at once; bounds memory to some 8 bytes × `CHUNK` × rows an array."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Metric = Callable[[Bools, Floats, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was said and what came.

    Attributes:
        customers: Number of each row's customer, int64 (rows,); a customer may have several rows.
        happened: Whether it came, (rows,).
        said: The probability of each model, (rows,), by the model's name.
    """

    customers: NDArray[np.int64]
    happened: Bools
    said: Mapping[str, Floats]


def auc(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve: the chance that a case ranks above a non-case; ties count half."""
    cases, others = _by_value(happened, said, weights)
    below = np.cumsum(others, axis=1) - others
    with np.errstate(invalid="ignore"):
        won = np.sum(cases * (below + others / 2), axis=1)
        return np.asarray(won / (cases.sum(axis=1) * others.sum(axis=1)))


def pr_auc(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Average precision: Σ precision · step of recall, from the greatest probability down."""
    cases, others = (side[:, ::-1] for side in _by_value(happened, said, weights))
    found = np.cumsum(cases, axis=1)
    with np.errstate(invalid="ignore"):
        precision = found / (found + np.cumsum(others, axis=1))
        return np.asarray(np.nansum(cases * precision, axis=1) / cases.sum(axis=1))


def log_loss(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Mean of −ln(probability of what came)."""
    clipped = np.clip(said, CLIP, 1 - CLIP)
    return _mean(-np.log(np.where(happened, clipped, 1 - clipped)), weights)


def brier(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Mean squared error of the probabilities (Brier, 1950)."""
    return _mean((said - happened) ** 2, weights)


def ece(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Expected calibration error: mean of |said − came| over `BINS` bins of equal size.

    Bins of equal size rather than width, because the probabilities of a rare event crowd into
    one or two bins of equal width (Nixon et al., "Measuring Calibration in Deep Learning", 2019).
    Rows that say the same share a bin, so that their order makes no difference.
    """
    order = np.argsort(said, kind="stable")
    ordered = said[order]
    gap = happened[order] - ordered
    sums = np.add.reduceat(weights[:, order] * gap, bin_starts(ordered), axis=1)
    return np.asarray(np.abs(sums).sum(axis=1) / weights.sum(axis=1))


def bin_starts(ordered: Floats) -> NDArray[np.int64]:
    """Where each of the bins of equal size begins.

    Args:
        ordered: Probabilities, ascending; a bin begins before all that say the same.
    """
    places = np.linspace(0, len(ordered), BINS, endpoint=False).astype(np.int64)
    return np.unique(np.searchsorted(ordered, ordered[places]))


METRICS: Final[Mapping[str, Metric]] = {
    AUC: auc,
    PR_AUC: pr_auc,
    LOG_LOSS: log_loss,
    BRIER: brier,
    ECE: ece,
}


def judge(
    outcome: Outcome, *, samples: int = 1_000, seed: int = 0
) -> dict[str, dict[str, Interval]]:
    """Every metric of every model, with 95 % intervals.

    Args:
        outcome: Both classes must be in it, or ranking metrics are NaN.
        samples: Resamples of customers.
        seed: Of the resamples.

    Returns:
        Model → metric → its value on all rows, and the percentiles over resamples.
    """
    drawn = _resampled(outcome, list(METRICS), samples, seed)
    return {
        model: {
            name: _interval(METRICS[name], outcome, model, values)
            for name, values in of_model.items()
        }
        for model, of_model in drawn.items()
    }


def difference(
    outcome: Outcome, one: str, other: str, metric: str, *, samples: int = 1_000, seed: int = 0
) -> Interval:
    """`one` minus `other` in one metric, paired: the same resamples of customers for both."""
    ones = np.ones((1, len(outcome.happened)))
    drawn = _resampled(outcome, [metric], samples, seed)
    measure = METRICS[metric]
    point = [float(measure(outcome.happened, outcome.said[name], ones)[0]) for name in (one, other)]
    low, high = _ends(drawn[one][metric] - drawn[other][metric])
    return Interval(point[0] - point[1], low, high)


def _interval(measure: Metric, outcome: Outcome, model: str, values: Floats) -> Interval:
    ones = np.ones((1, len(outcome.happened)))
    low, high = _ends(values)
    return Interval(float(measure(outcome.happened, outcome.said[model], ones)[0]), low, high)


def _ends(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _resampled(
    outcome: Outcome, metrics: Sequence[str], samples: int, seed: int
) -> dict[str, dict[str, Floats]]:
    """Model → metric → one value a resample; customers are drawn, with all of their rows."""
    random = np.random.default_rng(seed)
    people, rows = np.unique(outcome.customers, return_inverse=True)
    parts: dict[str, dict[str, list[Floats]]] = {
        model: {name: [] for name in metrics} for model in outcome.said
    }
    for start in range(0, samples, CHUNK):
        size = min(CHUNK, samples - start)
        drawn = random.multinomial(len(people), np.full(len(people), 1 / len(people)), size=size)
        weights = drawn[:, rows].astype(np.float64)
        for model, said in outcome.said.items():
            for name in metrics:
                parts[model][name].append(METRICS[name](outcome.happened, said, weights))
    return {
        model: {name: np.concatenate(values) for name, values in of_model.items()}
        for model, of_model in parts.items()
    }


def _mean(values: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ values / weights.sum(axis=1))


def _by_value(happened: Bools, said: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of cases and of others at each distinct value, ascending: (resamples, values)."""
    order = np.argsort(said, kind="stable")
    _, starts = np.unique(said[order], return_index=True)
    came, sorted_weights = happened[order], weights[:, order]
    cases = np.add.reduceat(sorted_weights * came, starts, axis=1)
    return cases, np.add.reduceat(sorted_weights * ~came, starts, axis=1)
