"""Qini curves: what mailing the customers of the greatest predicted uplift first would bring.

Radcliffe, "Using control groups to target on predicted lift", 2007. In units of the outcome for
each customer of the campaign, so that curves of campaigns of any size compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.metrics import Interval
from training.uplift.resample import intervals

Floats = NDArray[np.float64]

STEPS: Final = 50
"""Points of a curve; a multiple of `DECILES`."""
DECILES: Final = 10


@dataclass(frozen=True)
class Decile:
    """A tenth of the customers, by predicted uplift.

    Attributes:
        said: Mean predicted uplift.
        came: Uplift in it: mean outcome with the arm less that without.
    """

    said: float
    came: Interval


@dataclass(frozen=True)
class Qini:
    """How well customers are ordered by what one arm adds.

    Attributes:
        arm: The arm, against the control.
        effect: What it adds on average.
        coefficient: Area between the curve and the straight line of mailing at random; above 0 when
            the order is better than chance.
        curve: What mailing each share of the customers adds for each of them all, `STEPS` + 1
            points from 0 to everybody.
        deciles: From the greatest predicted uplift down.
    """

    arm: str
    effect: Interval
    coefficient: Interval
    curve: tuple[float, ...]
    deciles: tuple[Decile, ...]


def qini(arm: str, got: NDArray[np.bool_], outcome: Floats, said: Floats, *, seed: int = 0) -> Qini:
    """The curve of one arm.

    Args:
        arm: Its name.
        got: Whether each customer got it, (customers,); the others are of the control.
        outcome: Of each.
        said: Predicted uplift of each, by learners that never saw it.
        seed: Of the resamples.
    """
    order = np.argsort(-said, kind="stable")
    sums = _Sums(got[order], outcome[order])

    def measure(weights: Floats) -> Floats:
        curve, deciles = sums.curve(weights[:, order]), sums.deciles(weights[:, order])
        return np.column_stack([curve[:, -1], area(curve), deciles])

    effect, coefficient, *came = intervals(measure, len(said), seed=seed)
    tenths = np.array_split(said[order], DECILES)
    return Qini(
        arm=arm,
        effect=effect,
        coefficient=coefficient,
        curve=tuple(float(one) for one in sums.curve(np.ones((1, len(said))))[0]),
        deciles=tuple(Decile(float(s.mean()), c) for s, c in zip(tenths, came, strict=True)),
    )


def area(curve: Floats) -> Floats:
    """Between curves (resamples, points) and their straight lines, (resamples,)."""
    line = np.linspace(0, 1, curve.shape[1]) * curve[:, -1:]
    return np.asarray(np.trapezoid(curve - line, dx=1 / (curve.shape[1] - 1), axis=1))


class _Sums:
    """Customers and outcomes with and without the arm, summed over steps of an order."""

    def __init__(self, got: NDArray[np.bool_], outcome: Floats) -> None:
        parts = np.array_split(np.arange(len(got)), STEPS)
        self._starts = np.array([part[0] for part in parts])
        self._values = tuple(
            side * value for side in (got, ~got) for value in (np.ones(len(got)), outcome)
        )

    def curve(self, weights: Floats) -> Floats:
        """What mailing each share adds for each customer, (resamples, `STEPS` + 1)."""
        treated, with_it, control, without = (
            np.cumsum(one, axis=1) for one in self._steps(weights)
        )
        gained = with_it - without * treated / np.maximum(control, 1)
        gained /= np.maximum(treated[:, -1:], 1)
        return np.column_stack([np.zeros(len(gained)), gained])

    def deciles(self, weights: Floats) -> Floats:
        """Uplift in each tenth, (resamples, `DECILES`)."""
        tenths = (one.reshape(len(one), DECILES, -1).sum(axis=2) for one in self._steps(weights))
        treated, with_it, control, without = tenths
        return np.asarray(with_it / np.maximum(treated, 1) - without / np.maximum(control, 1))

    def _steps(self, weights: Floats) -> list[Floats]:
        return [np.add.reduceat(weights * one, self._starts, axis=1) for one in self._values]
