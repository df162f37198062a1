"""Alternating least squares, by implicit.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", 2008, solved by
conjugate gradients (Takács, Pilászy & Tikk, "Applications of the Conjugate Gradient Method for
Implicit Feedback Collaborative Filtering", 2011).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.recommender_base import ModelFitError
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from features.errors import BundleError
from serving.model.als import ALGORITHM, FACTORS
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from training.dataset import Dataset
from training.recommenders.popularity import popularity_of


@dataclass(frozen=True)
class AlsParams:
    """Parameters of ALS.

    Attributes:
        factors: Length of an item's vector.
        regularization: Added to the diagonal of every half-step.
        alpha: Confidence of a cell is 1 + alpha * weight.
        iterations: Full steps.
        seed: Of the random start.
        num_threads: Of implicit's solver.
    """

    factors: int = 64
    regularization: float = 20.0
    alpha: float = 1.0
    iterations: int = 15
    seed: int = 20170101
    num_threads: int = 2


def fit(dataset: Dataset, params: AlsParams, created_at: datetime) -> Bundle:
    """The ALS bundle: item factors and popularity, no customer.

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
        arrays={POPULARITY: popularity_of(dataset), FACTORS: factorize(dataset.matrix, params)},
        data=dataset.data,
        created_at=created_at,
    )


def factorize(matrix: csr_array[Any, Any], params: AlsParams) -> NDArray[np.float32]:
    """The item factors, (items, factors); the customers' factors are thrown away.

    Args:
        matrix: Weights, (customers, items).
        params: See there.

    Raises:
        BundleError: The factors are not finite.
    """
    # A BLAS with threads of its own fights implicit's: one thread of it is twice as fast.
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=params.factors,
            regularization=params.regularization,
            alpha=1.0,  # the confidences have it already
            iterations=params.iterations,
            num_threads=params.num_threads,
            random_state=params.seed,
        )
        try:
            model.fit(confidences(matrix, params), show_progress=False)
        except ModelFitError as error:
            message = f"ALS did not converge with {params}: {error}; raise regularization"
            raise BundleError(message) from error
    factors: NDArray[np.float32] = model.item_factors
    return factors


def confidences(matrix: csr_array[Any, Any], params: AlsParams) -> csr_matrix[Any, Any]:
    """Confidence of each cell, as implicit reads it: 1 + alpha * weight."""
    cells = np.float32(1.0) + np.float32(params.alpha) * matrix.data
    return csr_matrix((cells, matrix.indices, matrix.indptr), shape=matrix.shape)
