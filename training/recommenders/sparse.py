"""Sparse matrices from items to items, as bundles keep them."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from serving.model.arrays import Array
from serving.model.linear import NEIGHBOURS, SIMILARITIES, STARTS

Matrix: TypeAlias = csr_array[Any, Any]
Floats: TypeAlias = NDArray[np.float64]
STEPS: Final = 4
"""Of the randomised decomposition."""


def neighbour_arrays(similarity: Matrix) -> dict[str, Array]:
    """The arrays that `LinearScorer` reads S from.

    Args:
        similarity: What each item (row) gives to each other (column).
    """
    similarity = csr_array(similarity)
    similarity.sort_indices()
    return {
        STARTS: similarity.indptr.astype(np.int32),
        NEIGHBOURS: similarity.indices.astype(np.int32),
        SIMILARITIES: similarity.data.astype(np.float32),
    }


def scaled(
    matrix: Matrix, rows: NDArray[np.floating[Any]], columns: NDArray[np.floating[Any]]
) -> Matrix:
    """Each cell times its row's and its column's number, float32."""
    places = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    cells = matrix.data * rows[places] * columns[matrix.indices]
    return csr_array((cells.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def graph_of(matrix: Matrix, power: float, customer_power: float, item_power: float) -> Matrix:
    """R̃: customers × items with cells to a power, divided by powers of how many both have.

    Args:
        matrix: (customers, items).
        power: On the cells; 0 asks only whether.
        customer_power: On each customer's number of items, which divides the row.
        item_power: On each item's number of customers, which divides the column.
    """
    cells = matrix.data.astype(np.float64) ** power
    raised = csr_array((cells, matrix.indices, matrix.indptr), shape=matrix.shape)
    rows = powers(np.diff(matrix.indptr), -customer_power)
    return scaled(raised, rows, powers(customers_of(matrix), -item_power))


def singular_of(matrix: Matrix, rank: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """The greatest singular values and their vectors, by random directions.

    Halko, Martinsson & Tropp, "Finding structure with randomness", 2011. It also keeps a little of
    the values beyond.

    Returns:
        Left vectors, (rows, rank); values, (rank,), the greatest first; right, (columns, rank).
    """
    # Threads of BLAS that wait for a busy core spin: eight times the work on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        left, sizes, right = randomized_svd(
            matrix, rank, n_iter=STEPS, power_iteration_normalizer="QR", random_state=seed
        )
    return left.astype(np.float64), sizes.astype(np.float64), right.T.astype(np.float64)


def customers_of(matrix: Matrix) -> NDArray[np.int64]:
    """How many customers have each item, (items,)."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


def powers(counts: NDArray[Any], power: float) -> NDArray[np.float64]:
    """Numbers to a power; 0 stays 0 whatever the power, so that empty rows stay empty."""
    found = np.zeros(len(counts))
    there = counts > 0
    found[there] = counts[there].astype(np.float64) ** power
    return found
