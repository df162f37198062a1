"""Ranking metrics over the whole catalogue, one value a customer, and their uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

CUTOFFS = (4, 10, 20)
"""The k that are reported: a slate of a mail, a page of a shop, what the literature compares."""
RESAMPLES = 2_000
"""Of customers, for an interval."""
DRAWN = 1 << 19
"""Customers that are drawn at once: what still fits a processor's cache."""
FEWEST = 10
"""Customers that a gate decides on at least. A bootstrap of a handful sees no chance at all: when
a coin decides who is better, two customers both are one time in four."""


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

    With rel(r) 1 for a hit at place r and m = min(k, targets):

    - ndcg: sum of rel(r) / log2(r + 1), over the same sum for hits in places 1 to m (Järvelin &
      Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002)
    - recall: hits / targets
    - precision: hits / k
    - map: mean over m of the precision at each hit's place (Manning, Raghavan & Schütze,
      "Introduction to Information Retrieval", 2008, ch. 8), with m below it so that 1 is within
      reach
    - mrr: 1 / place of the first hit, 0 without one (Voorhees, TREC-8, 1999)
    - hit_rate: whether there is a hit

    Args:
        hits: Whether each place holds a target, (customers, at least k); places that a short
            slate left empty are no hits.
        targets: How many targets each customer has, (customers,), positive.
        k: Places counted.

    Returns:
        Full name → one value a customer, float64 (customers,).
    """
    rel = hits[:, :k].astype(np.float64)
    places = np.arange(1, k + 1)
    discounts = 1.0 / np.log2(places + 1)
    ideal = np.minimum(targets, k)
    counts = rel.cumsum(axis=1)
    found = counts[:, -1]
    values = {
        NDCG: (rel @ discounts) / discounts.cumsum()[ideal - 1],
        RECALL: found / targets,
        PRECISION: found / k,
        MAP: (rel * counts / places).sum(axis=1) / ideal,
        MRR: (rel / places).max(axis=1),
        HIT_RATE: (found > 0).astype(np.float64),
    }
    return {name_at(metric, k): value for metric, value in values.items()}


def too_few(customers: int) -> str:
    """What a refusal adds when there are fewer than `FEWEST`; "" when there are enough."""
    return "" if customers >= FEWEST else f"; {FEWEST} are needed: hold out more time"


def bootstrap_mean(values: NDArray[np.float64], *, seed: int = 0, level: float = 0.95) -> Interval:
    """The mean with its percentile bootstrap interval.

    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13; `RESAMPLES` resamples of
    customers.

    Args:
        values: One a customer, (customers,); NaN is left out.
        seed: Of the resamples.
        level: Of confidence.
    """
    return bootstrap({"": values}, seed=seed, level=level)[""]


def bootstrap_difference(
    one: NDArray[np.float64], other: NDArray[np.float64], *, seed: int = 0, level: float = 0.95
) -> Interval:
    """Mean of `one - other` over the same customers, with its paired bootstrap interval.

    Raises:
        ValueError: They are not of the same customers, by their number.
    """
    if one.shape != other.shape:
        message = f"a paired difference needs the same customers: {one.shape} and {other.shape}"
        raise ValueError(message)
    return bootstrap_mean(one - other, seed=seed, level=level)


def bootstrap(
    metrics: Mapping[str, NDArray[np.float64]], *, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """`bootstrap_mean` of each metric, all from the same resamples of customers.

    Args:
        metrics: Name → one value a customer, all of the same length.
        seed: Of the resamples.
        level: Of confidence.

    Returns:
        Name → interval; all NaN where no customer has a value.
    """
    table = np.column_stack(list(metrics.values()))
    known = np.isfinite(table)
    table = np.where(known, table, 0.0)
    whole = known.all(axis=0)
    means = np.empty((RESAMPLES, len(metrics)))
    for start, draws in _resamples(len(table), seed):
        # Matrix products, and only those metrics that not everybody has need counts of their own.
        counts = np.full((len(draws), len(metrics)), float(len(table)))
        counts[:, ~whole] = draws @ known[:, ~whole].astype(np.float64)
        with np.errstate(invalid="ignore"):
            means[start : start + len(draws)] = (draws @ table) / counts
    with np.errstate(invalid="ignore"):
        middle = table.sum(axis=0) / known.sum(axis=0)
    tail = (1.0 - level) / 2.0
    ends = np.full((2, len(metrics)), np.nan)
    told = known.any(axis=0)
    ends[:, told] = np.nanquantile(means[:, told], [tail, 1.0 - tail], axis=0)
    low, high = ends
    return {
        name: Interval(float(middle[n]), float(low[n]), float(high[n]))
        for n, name in enumerate(metrics)
    }


def _resamples(customers: int, seed: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """How often each customer is drawn in each resample, some resamples at a time.

    Yields:
        The number of the first resample, and counts, (resamples, customers); a matrix product of
        integers would not be BLAS's, and ten times slower.
    """
    random = np.random.default_rng(seed)
    size = max(1, DRAWN // customers)
    for start in range(0, RESAMPLES, size):
        rows = min(size, RESAMPLES - start)
        drawn = random.integers(0, customers, (rows, customers))
        drawn += np.arange(rows)[:, None] * customers
        counts = np.bincount(drawn.ravel(), minlength=rows * customers)
        yield start, counts.reshape(rows, customers).astype(np.float64)
