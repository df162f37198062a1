"""What judging two models on the same customers gives, before it is told as a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.compare.report import Curve, Drifted, Mark, Paired, Slates, Slice, mark_of
from training.compare.words import judges
from training.entries import figure
from training.metrics import Interval, bootstrap_difference, bootstrap_mean
from training.reports import Figure

LEAST_SLICE: Final = 10
"""Customers of a slice that is told."""
DOUBT: Final = 0.05
"""The chance that any slice is called different which is not; all slices share it."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What was found of two models.

    Attributes:
        customers: Who were judged, their number.
        headline: Names of the metrics that are told first.
        metrics: All of them.
        slices: The first headline metric of kinds of customers.
        slates: What both show; None for models that make no slates.
        calibration: Curves of what was said; empty for models that say no probability.
        drift: Of scores and items, as far as the models themselves show it.
    """

    customers: int
    headline: tuple[str, ...]
    metrics: tuple[Paired, ...]
    slices: tuple[Slice, ...] = ()
    slates: Slates | None = None
    calibration: tuple[Curve, ...] = ()
    drift: tuple[Drifted, ...] = ()


def pair(metric: str, sides: tuple[Interval, Interval], difference: Interval | None) -> Paired:
    """One metric of both, from intervals.

    Args:
        metric: Its name; tells which way is better.
        sides: Of a, of b.
        difference: b minus a; None where it can't be paired.
    """
    a, b = (figure(side, metric, one) for side, one in zip("ab", sides, strict=True))
    gap = None if difference is None else figure("b - a", metric, difference)
    return Paired(metric=metric, a=a, b=b, difference=gap, mark=mark_of(gap, judges=judges(metric)))


def sliced(metric: str, a: Floats, b: Floats, masks: Mapping[str, Bools]) -> tuple[Slice, ...]:
    """A metric of kinds of customers.

    The intervals of the differences are widened so that all of them together hold 19 times in 20
    (Bonferroni): of a dozen slices one is sure to look different by chance.

    Args:
        metric: Its name.
        a: Of each customer by the first model, (customers,).
        b: By the second.
        masks: Name → which customers, (customers,); those of fewer than `LEAST_SLICE` are left out.
    """
    told = {name: mask for name, mask in masks.items() if mask.sum() >= LEAST_SLICE}
    level = 1 - DOUBT / max(1, len(told))
    return tuple(
        Slice(
            name=name,
            customers=int(mask.sum()),
            found=pair(
                metric,
                (bootstrap_mean(a[mask]), bootstrap_mean(b[mask])),
                bootstrap_difference(b[mask], a[mask], level=level),
            ),
        )
        for name, mask in told.items()
    )


def verdict(
    names: tuple[str, str], headline: Paired | None, customers: int, slices: tuple[Slice, ...]
) -> tuple[Mark, str]:
    """What follows, as a mark and as a sentence or two.

    Args:
        names: Of a, of b.
        headline: The metric that decides; None where both were not judged together.
        customers: How many decided.
        slices: Of that metric; those that go against the verdict are named.
    """
    a, b = names
    words = {
        "better": f"{b} is better than {a}",
        "worse": f"{b} is worse than {a}",
        "level": f"Neither of {a} and {b} is surely better",
    }
    if headline is None or headline.a is None or headline.b is None or headline.mark not in words:
        return "unknown", f"Which of {a} and {b} is better can't be told."
    said = words[headline.mark]
    figures = f"{headline.metric} {headline.b.value:.4f} against {headline.a.value:.4f}"
    sentence = f"{said}: {figures}, {_gap(headline.difference)} over {customers:,} customers."
    return headline.mark, sentence + _against(headline.mark, slices)


def _gap(difference: Figure | None) -> str:
    if difference is None or difference.low == difference.value == difference.high == 0:
        return "no difference at all"
    return (
        f"a difference of {difference.value:+.4f} "
        f"(95 % interval {difference.low:+.4f} to {difference.high:+.4f})"
    )


def _against(mark: Mark, slices: tuple[Slice, ...]) -> str:
    """Who fares otherwise than most, where that is sure."""
    other: Mark = "better" if mark == "worse" else "worse"
    names = [one.name for one in slices if one.found.mark == other]
    return f" It does {other} for some: {', '.join(names)}." if names else ""
