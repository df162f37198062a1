"""What slates are like, whether or not the customer bought: how surprising, varied and popular.

All of these are of the first k places of each customer's slate:

- novelty: mean over the items shown of -log2(share of the customers who had dealt with it), in
  bits: the item's self-information (Zhou et al., "Solving the apparent diversity-accuracy dilemma
  of recommender systems", 2010)
- diversity: the share of pairs of items shown that aren't of the same narrowest category: 1 - mean
  pairwise likeness (Ziegler et al., "Improving recommendation lists through topic
  diversification", 2005), with likeness 1 in the same category and else 0; items without a category
  are like none
- popularity_lift: mean popularity of the items shown, less that of the items that the customer had
  dealt with; popularity is the item's percentile, 0 to 1, so that 0 is a slate of the customer's
  own taste and 0.3 one that is much more popular. After Abdollahpouri et al., "The connection
  between popularity bias, calibration, and fairness in recommendation", 2020, who divide means of
  counts, which a few bestsellers decide
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from serving.ranking.top import EMPTY
from training.judging import Trial
from training.metrics import name_at

NOVELTY: Final = "novelty"
DIVERSITY: Final = "diversity"
POPULARITY_LIFT: Final = "popularity_lift"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What slates are held against: the items, and the customers' own taste.

    Attributes:
        bits: Self-information of each item, (items,); an item that nobody dealt with has that of
            one that one customer did.
        percentile: Of each item's popularity, 0 to 1, (items,).
        category: Number of each item's narrowest category, -1 without one, (items,).
        taste: Mean percentile of what each customer dealt with, (customers,); NaN where the bundle
            knows nothing of it.
    """

    bits: Floats
    percentile: Floats
    category: NDArray[np.int64]
    taste: Floats

    def picked(self, customers: NDArray[np.int64]) -> Backdrop:
        """The same of some of the customers."""
        return replace(self, taste=self.taste[customers])


def backdrop_of(trial: Trial) -> Backdrop:
    """What held-out customers' past says of a bundle's items."""
    view, seen = trial.view, trial.held_out.seen
    rows, people = trial.rows[seen.items], len(trial.held_out.customers)
    here = rows >= 0
    cells = np.sort(seen.customers[here] * len(view.items) + rows[here])
    cells = cells[np.diff(cells, prepend=-1) > 0]
    customers, items = np.divmod(cells, max(1, len(view.items)))
    had = np.bincount(items, minlength=len(view.items))
    percentile = (rankdata(had) - 0.5) / max(1, len(had))
    counts = np.bincount(customers, minlength=people)
    sums = np.bincount(customers, percentile[items], minlength=people)
    return Backdrop(
        bits=-np.log2(np.maximum(had, 1) / people),
        percentile=percentile,
        category=view.category,
        taste=np.divide(sums, counts, out=np.full(people, np.nan), where=counts > 0),
    )


def slate_metrics(rows: NDArray[np.int64], backdrop: Backdrop, k: int) -> dict[str, Floats]:
    """The metrics of the first k places.

    Args:
        rows: Shown, (customers, at least k), `EMPTY` where a slate has ended.
        backdrop: Of the items and of the same customers.
        k: Places looked at.

    Returns:
        Full name → one value a customer, (customers,), NaN where there is none: nothing was shown,
        or one item only for diversity, or no taste is backdrop. Diversity only where items have
        categories.
    """
    rows = rows[:, :k]
    there = rows != EMPTY
    shown = there.sum(axis=1)
    values = {
        NOVELTY: _mean(backdrop.bits[rows], there, shown),
        POPULARITY_LIFT: _mean(backdrop.percentile[rows], there, shown) - backdrop.taste,
    }
    if (backdrop.category >= 0).any():
        category = np.where(there, backdrop.category[rows], -1)
        like = (category[:, :, None] == category[:, None, :]) & (category >= 0)[:, :, None]
        own = (category >= 0).sum(axis=1)
        pairs = shown * (shown - 1)
        alike = np.full(len(rows), np.nan)
        np.divide(like.sum(axis=(1, 2)) - own, pairs, out=alike, where=pairs > 0)
        values[DIVERSITY] = 1.0 - alike
    return {name_at(metric, k): value for metric, value in values.items()}


def _mean(values: Floats, there: NDArray[np.bool_], shown: NDArray[np.int64]) -> Floats:
    sums = (values * there).sum(axis=1)
    means = np.full(len(sums), np.nan)
    np.divide(sums, shown, out=means, where=shown > 0)
    return means
