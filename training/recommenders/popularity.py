"""Time-decayed popularity: the same order for everybody, and the model that others must beat."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.popularity import ALGORITHM
from training.dataset import Dataset

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True)
class PopularityParams:
    """Parameters of the popularity model.

    Attributes:
        damping: Power on each customer's weight before the sum, 0 to 1: 0 counts customers, 1
            counts their weight.
    """

    damping: float = 0.5


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
    return make_bundle(
        algorithm=ALGORITHM,
        params=asdict(params),
        weighting=dataset.weighting,
        items=dataset.items,
        arrays={POPULARITY: popularity_of(dataset, params)},
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
    cells = dataset.matrix.data.astype(np.float64) ** params.damping
    sums = np.bincount(dataset.matrix.indices, cells, minlength=len(dataset.items))
    return sums.astype(np.float32)
