"""Alternating least squares, by implicit.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", 2008, solved by
conjugate gradients (Takács, Pilászy & Tikk, "Applications of the Conjugate Gradient Method for
Implicit Feedback Collaborative Filtering", 2011). The weight of what was not bought is 1 against
1 + alpha, and regularisation may grow with the number of a row's cells (Rendle et al., "Revisiting
the Performance of iALS on Item Recommendation Benchmarks", 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.recommender_base import ModelFitError
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from features.errors import BundleError
from serving.model.als import ALGORITHM, FACTORS
from serving.model.bundle import Bundle
from training.dataset import Dataset
from training.recommenders.popularity import made_of

if TYPE_CHECKING:
    from optuna import Trial

BUCKETS: Final = 8
"""Groups of rows with about the same number of cells, which share one regularisation."""


@dataclass(frozen=True)
class AlsParams:
    """Parameters of ALS.

    Attributes:
        factors: Length of an item's vector.
        regularization: Added to the diagonal of every half-step.
        alpha: Confidence of a cell is 1 + alpha * weight.
        frequency: Power by which regularisation grows with the cells of a customer or an item,
            relative to their mean; 0 is the same for all.
        iterations: Full steps.
        seed: Of the random start.
        num_threads: Of implicit's solver.
    """

    factors: int = 128
    regularization: float = 20.0
    alpha: float = 1.0
    frequency: float = 0.0
    iterations: int = 8
    seed: int = 20170101
    num_threads: int = 2


def suggest(trial: Trial) -> AlsParams:
    """Parameters worth trying."""
    return AlsParams(
        factors=trial.suggest_categorical("factors", (32, 64, 128)),
        regularization=trial.suggest_float("regularization", 0.01, 100.0, log=True),
        alpha=trial.suggest_float("alpha", 0.3, 100.0, log=True),
        frequency=trial.suggest_float("frequency", 0.0, 1.5),
        iterations=trial.suggest_int("iterations", 8, 24),
    )


def fit(dataset: Dataset, params: AlsParams, created_at: datetime) -> Bundle:
    """The ALS bundle: item factors and popularity, no customer.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    arrays = {FACTORS: factorize(dataset.matrix, params)}
    return made_of(dataset, ALGORITHM, params, arrays, created_at)


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
            if params.frequency:
                factors = _by_frequency(model, confidences(matrix, params), params)
            else:
                model.fit(confidences(matrix, params), show_progress=False)
                factors = model.item_factors
        except ModelFitError as error:
            message = f"ALS did not converge with {params}: {error}; raise regularization"
            raise BundleError(message) from error
    return factors


def _by_frequency(
    model: AlternatingLeastSquares, cells: csr_matrix[Any, Any], params: AlsParams
) -> NDArray[np.float32]:
    """The item factors when regularisation grows with the cells of a row.

    implicit's solver takes one regularisation for all rows. So rows are put in the order of their
    cells, and solved in groups that are alike.
    """
    ours, theirs = (
        np.argsort(np.diff(side.indptr), kind="stable") for side in (cells, cells.T.tocsr())
    )
    ordered = cells[ours][:, theirs].tocsr()
    sides = [ordered, ordered.T.tocsr()]
    random = np.random.default_rng(params.seed)
    factors = [
        random.random((side.shape[0], params.factors), dtype=np.float32) * np.float32(0.01)
        for side in sides
    ]
    groups = [_groups(side, params) for side in sides]
    for _ in range(params.iterations):
        for mine, other in ((0, 1), (1, 0)):
            for start, end, regularization in groups[mine]:
                model.solver(
                    sides[mine][start:end],
                    factors[mine][start:end],
                    factors[other],
                    regularization,
                    num_threads=params.num_threads,
                )
    found = np.empty_like(factors[1])
    found[theirs] = factors[1]
    if not np.isfinite(found).all():
        message = "the factors are not finite"
        raise ModelFitError(message)
    return found


def _groups(side: csr_matrix[Any, Any], params: AlsParams) -> list[tuple[int, int, float]]:
    """Rows, ascending by their cells, in groups of about as many: start, end, regularisation."""
    counts = np.diff(side.indptr)
    # Rows without a cell are all zeros whatever their regularisation.
    times = (np.maximum(counts, 1) / counts.mean()) ** params.frequency
    steps = np.geomspace(1, max(int(counts[-1]), 1) + 1, BUCKETS + 1)
    ends = np.searchsorted(counts, steps[1:]).tolist()
    starts = [0, *ends[:-1]]
    return [
        (start, end, params.regularization * float(times[start:end].mean()))
        for start, end in zip(starts, ends, strict=True)
        if end > start
    ]


def confidences(matrix: csr_array[Any, Any], params: AlsParams) -> csr_matrix[Any, Any]:
    """Confidence of each cell, as implicit reads it: 1 + alpha * weight."""
    cells = np.float32(1.0) + np.float32(params.alpha) * matrix.data
    return csr_matrix((cells, matrix.indices, matrix.indptr), shape=matrix.shape)
