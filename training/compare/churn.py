"""Two churn models on the same held-out customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.churn.metrics import LOG_LOSS, METRICS, Outcome, difference, judge, losses
from training.churn.snapshots import Snapshot
from training.compare.found import Found, pair, sliced
from training.compare.report import Curve, Drifted, Paired, Slice
from training.metrics import Interval
from training.plots import reliability_points
from training.segments import SEGMENTS, segments

HEADLINE: Final = (LOG_LOSS, "auc", "ece")
"""What is told first; the first of them is what the gate asks."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


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


def _paired(metric: str, found: Mapping[str, Mapping[str, Interval]], outcome: Outcome) -> Paired:
    gap = difference(outcome, "b", "a", metric)
    return pair(metric, (found["a"][metric], found["b"][metric]), gap)


def _slices(outcome: Outcome, snapshots: Sequence[Snapshot]) -> tuple[Slice, ...]:
    """Segments, each customer in that of the earliest moment at which it was spoken of."""
    labels = np.array([name for one in snapshots for name in segments(one.features)])
    _, first, place = np.unique(outcome.customers, return_index=True, return_inverse=True)
    a, b = (
        np.bincount(place, losses(outcome.happened, outcome.said[side])) / np.bincount(place)
        for side in "ab"
    )
    masks = {f"segment {name}": labels[first] == name for name in SEGMENTS}
    return sliced(LOG_LOSS, a, b, masks)


def _curve(name: str, said: Floats, happened: Bools) -> Curve:
    x, y = reliability_points(said, happened)
    return Curve(version=name, said=tuple(x), came=tuple(y))
