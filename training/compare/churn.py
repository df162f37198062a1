"""Two churn models on the same held-out customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.churn.metrics import LOG_LOSS, METRICS, Outcome, difference, judge
from training.churn.snapshots import Snapshot
from training.compare.found import Found, pair
from training.compare.report import Curve, Drifted, Paired, Slice
from training.metrics import Interval
from training.plots import reliability_points
from training.segments import SEGMENTS, segments

HEADLINE: Final = (LOG_LOSS, "auc", "ece")
"""What is told first; the first of them is what the gate asks."""
LEAST_SLICE: Final = 30
"""Rows of a slice that is told."""
SLICE_SAMPLES: Final = 300
"""Resamples for a slice's interval."""

Bools = NDArray[np.bool_]


def compare_churn(
    names: tuple[str, str],
    outcome: Outcome,
    snapshots: Sequence[Snapshot],
    drift: tuple[Drifted, ...] = (),
) -> Found:
    """All that held-out time says of two churn models.

    Args:
        names: Of a, of b.
        outcome: What the twins `a` and `b`, neither of which saw held-out time, said of it.
        snapshots: The customers of whom they said it, in the same order.
        drift: Of scores.
    """
    found = judge(outcome)
    metrics = tuple(_paired(metric, found, outcome) for metric in METRICS)
    return Found(
        customers=len(np.unique(outcome.customers)),
        headline=HEADLINE,
        metrics=metrics,
        slices=_slices(outcome, snapshots),
        calibration=tuple(
            _curve(name, outcome.said[side], outcome.happened)
            for side, name in zip("ab", names, strict=True)
        ),
        drift=drift,
    )


def _paired(
    metric: str,
    found: Mapping[str, Mapping[str, Interval]],
    outcome: Outcome,
    samples: int = 1_000,
) -> Paired:
    gap = difference(outcome, "b", "a", metric, samples=samples)
    return pair(metric, (found["a"][metric], found["b"][metric]), gap)


def _slices(outcome: Outcome, snapshots: Sequence[Snapshot]) -> tuple[Slice, ...]:
    labels = np.array([name for one in snapshots for name in segments(one.features)])
    masks = {name: labels == name for name in SEGMENTS}
    return tuple(
        _slice(name, outcome, mask) for name, mask in masks.items() if mask.sum() >= LEAST_SLICE
    )


def _slice(name: str, outcome: Outcome, mask: Bools) -> Slice:
    part = Outcome(
        outcome.customers[mask],
        outcome.happened[mask],
        {side: said[mask] for side, said in outcome.said.items()},
    )
    found = judge(part, samples=SLICE_SAMPLES)
    paired = _paired(LOG_LOSS, found, part, SLICE_SAMPLES)
    return Slice(name=name, customers=len(np.unique(part.customers)), found=paired)


def _curve(name: str, said: NDArray[np.float64], happened: Bools) -> Curve:
    x, y = reliability_points(said, happened)
    return Curve(version=name, said=tuple(x), came=tuple(y))
