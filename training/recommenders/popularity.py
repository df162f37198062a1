"""Time-decayed popularity: the same order for everybody, and the model that others must beat.

What is popular is mostly what many have already and buy again. Counting each customer's first
purchase of an item alone tells what people take up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serving.model.arrays import Array
from serving.model.basket import PURCHASE, Weights
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.popularity import ALGORITHM
from training.dataset import Dataset

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from optuna import Trial


@dataclass(frozen=True)
class PopularityParams:
    """Parameters of the popularity model.

    Attributes:
        damping: Power on each customer's weight before the sum, 0 to 1: 0 counts customers, 1
            counts their weight.
        first: Whether only each customer's first purchase of an item counts.
    """

    damping: float = 0.5
    first: bool = False


def suggest(trial: Trial) -> PopularityParams:
    """Parameters worth trying."""
    return PopularityParams(damping=trial.suggest_float("damping", 0.0, 1.0))


def fit(dataset: Dataset, params: PopularityParams, created_at: datetime) -> Bundle:
    """The popularity bundle.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    arrays = {POPULARITY: popularity_of(dataset, params)}
    return made_of(dataset, ALGORITHM, params, arrays, created_at)


def made_of(
    dataset: Dataset,
    algorithm: str,
    params: DataclassInstance,
    arrays: Mapping[str, Array],
    created_at: datetime,
) -> Bundle:
    """The bundle of what an algorithm made of a dataset.

    Args:
        dataset: Customers x items.
        algorithm: Its name.
        params: What it was made with; its fields are the manifest's parameters.
        arrays: What it made; the popularity that every bundle has is added where it is missing.
        created_at: Aware, UTC.

    Raises:
        BundleError: An array is not finite, or does not fit the items.
    """
    everything = arrays if POPULARITY in arrays else {POPULARITY: popularity_of(dataset), **arrays}
    return make_bundle(
        algorithm=algorithm,
        params=asdict(params),
        weighting=dataset.weighting,
        items=dataset.items,
        arrays=everything,
        data=dataset.data,
        created_at=created_at,
    )


def popularity_of(
    dataset: Dataset,
    params: PopularityParams = PopularityParams(),
) -> NDArray[np.float32]:
    """How much all customers want each item, (items,): the array that every bundle fills up with.

    The weights have faded already, so what is bought now counts more than what was.
    """
    matrix = _first_purchases(dataset) if params.first else dataset.matrix
    cells = matrix.data.astype(np.float64) ** params.damping
    sums = np.bincount(matrix.indices, cells, minlength=len(dataset.items))
    return sums.astype(np.float32)


def _first_purchases(dataset: Dataset) -> Weights:
    """What each customer's first purchase of each item counts, (customers, items)."""
    baskets = dataset.baskets
    bought = np.flatnonzero(baskets.kinds == PURCHASE)
    cells = baskets.customers[bought] * baskets.items + baskets.rows[bought]
    order = np.lexsort((-baskets.ages[bought], cells))
    earliest = order[np.flatnonzero(np.diff(cells[order], prepend=-1))]
    first = np.zeros(len(baskets.rows), np.bool_)
    first[bought[earliest]] = True
    return baskets.where(first).weights(dataset.weighting)
