"""Ranking metrics over the whole catalogue, one value a customer, and their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NDCG = "ndcg"
RECALL = "recall"
PRECISION = "precision"
MAP = "map"
MRR = "mrr"
HIT_RATE = "hit_rate"
AUC = "auc"
COVERAGE = "coverage"

AT_K = (NDCG, RECALL, PRECISION, MAP, MRR, HIT_RATE)
"""Metrics of the first k places; `name_at` gives their full names."""
CUTOFFS = (4, 20)
"""The k that are reported: a slate of a mail, and what the literature compares."""


def name_at(metric: str, k: int) -> str:
    """A metric's full name, like `ndcg_20` (MLflow takes no `@`)."""
    return f"{metric}_{k}"


@dataclass(frozen=True)
class Interval:
    """A mean over customers with its bootstrap confidence interval.

    Attributes:
        mean: Over customers.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def rank_metrics(
    hits: NDArray[np.bool_], targets: NDArray[np.int64], k: int
) -> dict[str, NDArray[np.float64]]:
    """The metrics of the first k places.

    Args:
        hits: Whether each place holds a target, (customers, at least k); places that a short
            slate left empty are no hits.
        targets: How many targets each customer has, (customers,), positive.
        k: Places counted.

    Returns:
        Full name → one value a customer, float64 (customers,).
    """
    raise NotImplementedError


def bootstrap_mean(values: NDArray[np.float64], *, seed: int = 0, level: float = 0.95) -> Interval:
    """The mean with its percentile bootstrap interval (Efron & Tibshirani, 1993, ch. 13)."""
    raise NotImplementedError


def bootstrap_difference(
    one: NDArray[np.float64], other: NDArray[np.float64], *, seed: int = 0, level: float = 0.95
) -> Interval:
    """Mean of `one − other` over the same customers, with its paired bootstrap interval."""
    raise NotImplementedError


def intervals(metrics: Mapping[str, NDArray[np.float64]], *, seed: int = 0) -> dict[str, Interval]:
    """`bootstrap_mean` of each."""
    raise NotImplementedError
