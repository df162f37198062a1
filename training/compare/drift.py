"""How far data moved: the population stability index and the Kolmogorov-Smirnov distance.

The index sums (q - p) ln(q / p) over bins, each of which holds a tenth of the first sample (p and q
are the bin's shares of the two). Its customary thresholds are `MOVED` and `DRIFTED` (Siddiqi,
"Credit Risk Scorecards", 2006). Of small samples it is above them by chance alone: two samples of
one distribution have an index of about (1/n + 1/m) times a chi-squared with one degree less than
bins (Yurdakul, "Statistical Properties of the Population Stability Index", 2018). So what is
within that noise counts as stable, whatever the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from serving.model.bundle import Bundle
from training.compare.report import Drifted, Movement

MOVED: Final = 0.1
DRIFTED: Final = 0.25
BINS: Final = 10
HALF: Final = 0.5
"""Customers that each bin counts more, so that an empty bin is far and not infinitely far, and no
farther than so few customers can tell (Jeffreys' prior)."""
LEAST: Final = 1e-4
"""What a share of popularity counts at least, for the same."""
SURE: Final = 0.95
TOP: Final = 10
"""The most popular items, whose share of all popularity is told."""

Floats = NDArray[np.float64]


def stability_index(p: Floats, q: Floats) -> float:
    """The population stability index of two distributions over the same bins.

    Args:
        p: Shares of the first, (bins,), sum 1.
        q: Of the second.
    """
    p, q = np.maximum(p, LEAST), np.maximum(q, LEAST)
    return float(((q - p) * np.log(q / p)).sum())


def noise_of(bins: int, first: float, second: float) -> float:
    """What the index of two samples of one distribution stays below 19 times in 20.

    Args:
        bins: How many.
        first: Size of the first sample.
        second: Of the second.
    """
    return float(chi2.ppf(SURE, bins - 1) * (1 / first + 1 / second)) if bins > 1 else 0.0


def drifted_values(name: str, first: Floats, second: Floats, *, score: bool = False) -> Drifted:
    """How far a number of customers moved.

    Args:
        name: The feature's, or what the score is of.
        first: Finite, one a customer of the first data version, at least one.
        second: Of the second.
        score: Whether it is a model's answer rather than a feature.
    """
    edges = _edges(first)
    counts = np.array(
        [
            np.bincount(np.searchsorted(edges, one), minlength=len(edges) + 1)
            for one in (first, second)
        ]
    )
    p, q = (_shares(one) for one in counts[:, counts.any(axis=0)])
    index, noise = stability_index(p, q), noise_of(len(p), len(first), len(second))
    return Drifted(
        name=name,
        kind="score" if score else "feature",
        a=float(np.median(first)),
        b=float(np.median(second)),
        psi=index,
        ks=_distance(first, second),
        noise=noise,
        movement=movement_of(index, noise),
    )


def drifted_features(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> list[Drifted]:
    """How far each feature moved that both know."""
    return [
        drifted_values(name, first[name], second[name])
        for name in first
        if name in second and len(first[name]) and len(second[name])
    ]


def drifted_items(first: Bundle, second: Bundle) -> Drifted:
    """How far what all customers want moved between two bundles.

    Items are binned by their popularity in the first, so that each bin holds a tenth of it; items
    that only the second knows are a bin of their own.
    """
    items = dict.fromkeys((*first.items, *second.items))
    a, b = (
        np.array([_popularity(bundle, item) for item in items], np.float64)
        for bundle in (first, second)
    )
    a, b = a / max(a.sum(), LEAST), b / max(b.sum(), LEAST)
    order = np.argsort(-a, kind="stable")
    running = np.cumsum(a[order])
    bins = np.where(a[order] > 0, np.minimum(running * BINS, BINS - 1).astype(np.int64), BINS)
    p, q = (np.bincount(bins, one[order], minlength=BINS + 1).astype(np.float64) for one in (a, b))
    used = (p > 0) | (q > 0)
    sizes = (bundle.manifest.data.interactions for bundle in (first, second))
    index, noise = stability_index(p[used], q[used]), noise_of(int(used.sum()), *sizes)
    return Drifted(
        name="popularity of items",
        kind="items",
        a=float(a[order][:TOP].sum()),
        b=float(b[order][:TOP].sum()),
        psi=index,
        ks=float(np.abs(running - np.cumsum(b[order])).max()),
        noise=noise,
        movement=movement_of(index, noise),
    )


def movement_of(index: float, noise: float) -> Movement:
    """What an index means, given its noise."""
    if index < MOVED or index <= noise:
        return "stable"
    return "moved" if index < DRIFTED else "drifted"


def _popularity(bundle: Bundle, item: str) -> float:
    row = bundle.index.get(item)
    return 0.0 if row is None else float(bundle.popularity[row])


def _edges(first: Floats) -> Floats:
    """Upper ends of all bins but the last.

    A value that a bin's worth of customers have, like 0, has a bin of its own, so that a step
    aside is seen however small it is.
    """
    edges = np.unique(np.quantile(first, np.arange(1, BINS) / BINS))
    common = np.array([(first == edge).mean() >= 1 / BINS for edge in edges])
    return np.union1d(edges, np.nextafter(edges[common], -np.inf))


def _shares(counts: NDArray[np.int64]) -> Floats:
    return np.asarray((counts + HALF) / (counts + HALF).sum())


def _distance(first: Floats, second: Floats) -> float:
    """The greatest distance of the cumulative distributions (Kolmogorov-Smirnov)."""
    values = np.concatenate([first, second])
    below = [
        np.searchsorted(np.sort(one), values, side="right") / len(one) for one in (first, second)
    ]
    return float(np.abs(below[0] - below[1]).max())
