"""Bootstrap intervals of figures that are functions of weights of customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.metrics import Interval

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]
"""Weights (resamples, customers) → figures (resamples, figures)."""

RESAMPLES: Final = 1_000
CELLS: Final = 1 << 22
"""Weights held at once: 32 MiB."""
LEVEL: Final = 0.95


def intervals(measure: Measure, customers: int, *, seed: int = 0) -> list[Interval]:
    """Each figure with its percentile bootstrap interval over customers.

    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13.

    Args:
        measure: What is measured; the figure itself is that of weights of 1.
        customers: How many there are.
        seed: Of the resamples.
    """
    random = np.random.default_rng(seed)
    middle = measure(np.ones((1, customers)))[0]
    even = np.full(customers, 1.0 / customers)
    step = max(1, CELLS // customers)
    drawn = [
        measure(random.multinomial(customers, even, size=min(step, RESAMPLES - at)).astype(float))
        for at in range(0, RESAMPLES, step)
    ]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail], axis=0)
    ends = zip(middle, low, high, strict=True)
    return [Interval(float(m), float(lo), float(hi)) for m, lo, hi in ends]
