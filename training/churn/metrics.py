"""How good and how honest probabilities are, with bootstrap intervals over customers.

Every metric takes weights of shape (resamples, rows) and gives one value a resample, so that a
point estimate is a resample of ones and an interval is a thousand of them, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.churn.odds import CLIP, log_odds, sigmoid
from training.metrics import Interval

AUC: Final = "auc"
PR_AUC: Final = "pr_auc"
LOG_LOSS: Final = "log_loss"
BRIER: Final = "brier"
ECE: Final = "ece"
SLOPE: Final = "slope"
INTERCEPT: Final = "intercept"
LIFT: Final = "lift"

LOWER_IS_BETTER: Final = frozenset({LOG_LOSS, BRIER, ECE})
BINS: Final = 10
"""Bins of the calibration error, of equal numbers of rows each."""
NEWTON: Final = 12
"""Steps to the regression of all rows."""
TINY: Final = 1e-10
"""A regression on what hardly differs has no slope."""
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
    """Mean of `losses`."""
    return _mean(losses(happened, said), weights)


def losses(happened: Bools, said: Floats) -> Floats:
    """−ln(probability of what came) of each row, (rows,)."""
    clipped = np.clip(said, CLIP, 1 - CLIP)
    return np.asarray(-np.log(np.where(happened, clipped, 1 - clipped)))


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


def slope(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Slope of what came on the log-odds that were said: 1 is honest, below 1 is overconfident.

    Of a logistic regression (Cox, "Two further applications of a model for binary regression",
    1958). Of many resamples, the first Newton step from what all of them together say: they lie
    so near that further steps change nothing that an interval shows.
    """
    return np.asarray(_recalibration(happened, said, weights)[1])


def intercept(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """What must be added to the log-odds beside `slope`; 0 is honest, above 0 said too low."""
    return np.asarray(_recalibration(happened, said, weights)[0])


def lift(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """How many times more often it came among the tenth who were told the most than among all."""
    return np.asarray(lift_by_decile(happened, said, weights)[0])


def lift_by_decile(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """How many times more often it came than among all: (deciles, resamples), the most told first.

    Deciles are those of the rows; who was told the same shares a decile, so there may be fewer.
    """
    order = np.argsort(said, kind="stable")
    starts = bin_starts(said[order])
    cases = np.add.reduceat(weights[:, order] * happened[order], starts, axis=1)
    with np.errstate(invalid="ignore"):
        rates = cases / np.add.reduceat(weights[:, order], starts, axis=1)
        return np.asarray((rates / _mean(happened.astype(np.float64), weights)[:, None]).T[::-1])


def of_all(metric: Metric, happened: Bools, said: Floats) -> float:
    """The metric of all rows, each of them once."""
    return float(metric(happened, said, np.ones((1, len(happened))))[0])


METRICS: Final[Mapping[str, Metric]] = {
    AUC: auc,
    PR_AUC: pr_auc,
    LOG_LOSS: log_loss,
    BRIER: brier,
    ECE: ece,
    SLOPE: slope,
    INTERCEPT: intercept,
    LIFT: lift,
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


def decile_lifts(
    outcome: Outcome, model: str, *, samples: int = 300, seed: int = 0
) -> list[Interval]:
    """`lift_by_decile` of one model, with 95 % intervals; the most told first."""
    weights = np.concatenate(list(_draws(outcome, samples, seed)))
    found = lift_by_decile(outcome.happened, outcome.said[model], weights)
    ones = np.ones((1, len(outcome.happened)))
    points = lift_by_decile(outcome.happened, outcome.said[model], ones)[:, 0].tolist()
    return [Interval(point, *_ends(row)) for point, row in zip(points, found, strict=True)]


def difference(
    outcome: Outcome, one: str, other: str, metric: str, *, samples: int = 1_000, seed: int = 0
) -> Interval:
    """`one` minus `other` in one metric, paired: the same resamples of customers for both."""
    drawn = _resampled(outcome, [metric], samples, seed)
    measure = METRICS[metric]
    point = [of_all(measure, outcome.happened, outcome.said[name]) for name in (one, other)]
    low, high = _ends(drawn[one][metric] - drawn[other][metric])
    return Interval(point[0] - point[1], low, high)


def _interval(measure: Metric, outcome: Outcome, model: str, values: Floats) -> Interval:
    return Interval(of_all(measure, outcome.happened, outcome.said[model]), *_ends(values))


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
    parts: dict[str, dict[str, list[Floats]]] = {
        model: {name: [] for name in metrics} for model in outcome.said
    }
    for weights in _draws(outcome, samples, seed):
        for model, said in outcome.said.items():
            for name in metrics:
                parts[model][name].append(METRICS[name](outcome.happened, said, weights))
    return {
        model: {name: np.concatenate(values) for name, values in of_model.items()}
        for model, of_model in parts.items()
    }


def _draws(outcome: Outcome, samples: int, seed: int) -> Iterator[Floats]:
    """Weights of rows, (resamples, rows), some resamples at a time."""
    random = np.random.default_rng(seed)
    people, rows = np.unique(outcome.customers, return_inverse=True)
    for start in range(0, samples, CHUNK):
        size = min(CHUNK, samples - start)
        drawn = random.multinomial(len(people), np.full(len(people), 1 / len(people)), size=size)
        yield drawn[:, rows].astype(np.float64)


def _mean(values: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ values / weights.sum(axis=1))


def _recalibration(happened: Bools, said: Floats, weights: Floats) -> Floats:
    """Intercept and slope of the logistic regression on what was said, (2, resamples)."""
    odds = log_odds(said)
    design = np.stack([np.ones_like(odds), odds])
    found, together = np.array([0.0, 1.0]), weights.sum(axis=0)[None, :]
    for _ in range(NEWTON):
        step = _newton(design, happened, found, together)[:, 0]
        if not np.isfinite(step).all():
            break
        here = _likelihood(design, happened, found, together)
        # A whole step overshoots where what was said is far too sure.
        while _likelihood(design, happened, found + step, together) < here:
            step = step / 2
        found = found + step
    return found[:, None] + _newton(design, happened, found, weights)


def _likelihood(design: Floats, happened: Bools, at: Floats, weights: Floats) -> float:
    """The log-likelihood of the logistic regression at one place; weights (1, rows)."""
    odds = at @ design
    return float((weights @ (happened * odds - np.logaddexp(0, odds)))[0])


def _newton(design: Floats, happened: Bools, at: Floats, weights: Floats) -> Floats:
    """The step of Newton's method from one place, (2, resamples); NaN where all came or none."""
    chance = sigmoid(at @ design)
    bend = chance * (1 - chance)
    ahead, across = (weights @ (design * (happened - chance)).T).T
    flat, tilted, steep = (weights @ np.stack([bend, bend * design[1], bend * design[1] ** 2]).T).T
    with np.errstate(invalid="ignore", divide="ignore"):
        square = flat * steep - tilted**2
        square = np.where(square > TINY * flat * steep, square, np.nan)
        return np.stack(
            [
                (steep * ahead - tilted * across) / square,
                (flat * across - tilted * ahead) / square,
            ]
        )


def _by_value(happened: Bools, said: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of cases and of others at each distinct value, ascending: (resamples, values)."""
    order = np.argsort(said, kind="stable")
    _, starts = np.unique(said[order], return_index=True)
    came, sorted_weights = happened[order], weights[:, order]
    cases = np.add.reduceat(sorted_weights * came, starts, axis=1)
    return cases, np.add.reduceat(sorted_weights * ~came, starts, axis=1)
