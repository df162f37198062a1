"""Ranks: all that checks compare of scores, for scores of different models have no common unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def rank_correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where either is constant."""
    ranks = [rankdata(values) for values in (one, other)]
    ranks = [values - values.mean() for values in ranks] if len(one) else ranks
    size = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float(ranks[0] @ ranks[1] / size) if size > 0 else float("nan")


def chance_above(scores: NDArray[np.floating], wanted: NDArray[np.bool_]) -> float:
    """How often a wanted value is above one that is not, ties counted half; NaN without either."""
    hits, others = int(wanted.sum()), int((~wanted).sum())
    if not hits or not others:
        return float("nan")
    total = float(rankdata(scores)[wanted].sum())
    return (total - hits * (hits + 1) / 2) / (hits * others)
