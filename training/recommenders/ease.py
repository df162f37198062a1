"""EASE: each item as a ridge regression on all others, which has a closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019. The weights of item j solve
(G_CC + regularization * I) w = G_Cj, with G = R̃'R̃ and C all items but j: with P = (G +
regularization * I)^-1 they are -P[C, j] / P[j, j], so one inverse solves all of them.

An inverse of all items needs memory and time that grow with their square and cube. So unless the
shop is small each regression reads only the item's `neighbours` nearest items, as fsSLIM does
(Ning & Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", 2011); Spišák et al.,
"Scalable Approximate NonSymmetric Autoencoder for Collaborative Filtering", 2023, reach the same
end by sparse factorisation. The rows are scaled by a power of the customer's number of items and
the columns by that of the item's customers, as graph filters do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix, diags_array
from threadpoolctl import threadpool_limits

from features.errors import BundleError
from serving.model.bundle import Bundle
from training.dataset import Dataset
from training.recommenders.popularity import made_of
from training.recommenders.sparse import (
    Matrix,
    customers_of,
    graph_of,
    neighbour_arrays,
    powers,
)

if TYPE_CHECKING:
    from optuna import Trial

ALGORITHM: Final = "ease"
CLOSED_FORM: Final = 8_000
"""Items up to which all others can be read: half a gigabyte for the inverse."""
KNOWN: Final = 300
"""Neighbours of an item between which likeness is known to the regressions of others."""
TOGETHER: Final = 64
"""Items whose regressions are solved at once."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EaseParams:
    """Parameters of EASE.

    Attributes:
        regularization: Added to the diagonal of R̃'R̃, relative to its mean.
        power: On the weights of cells, 0 to 1; 0 asks only whether.
        customer_power: On each customer's number of items, which divides the row.
        item_power: On each item's number of customers, which divides the column.
        popularity_power: On each item's number of customers, which multiplies what it is given.
        neighbours: Items that each regression reads; all others when None, which is EASE's closed
            form, for at most `CLOSED_FORM` items.
        num_threads: Of the search for neighbours and of the regressions.
    """

    regularization: float = 1.0
    power: float = 0.0
    customer_power: float = 0.3
    item_power: float = 0.5
    popularity_power: float = 0.35
    neighbours: int | None = 100
    num_threads: int = 2


def suggest(trial: Trial) -> EaseParams:
    """Parameters worth trying."""
    return EaseParams(
        regularization=trial.suggest_float("regularization", 0.05, 50.0, log=True),
        power=trial.suggest_float("power", 0.0, 1.0),
        customer_power=trial.suggest_float("customer_power", 0.0, 0.6),
        item_power=trial.suggest_float("item_power", 0.0, 0.5),
        popularity_power=trial.suggest_float("popularity_power", 0.0, 0.5),
        neighbours=trial.suggest_int("neighbours", 50, 200, log=True),
    )


def fit(dataset: Dataset, params: EaseParams, created_at: datetime) -> Bundle:
    """The bundle of EASE.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.

    Raises:
        BundleError: All items are to be read, and there are too many.
    """
    matrix = dataset.matrix
    graph = graph_of(matrix, params.power, params.customer_power, params.item_power)
    weights = closed_form if params.neighbours is None else near
    given = diags_array(powers(customers_of(matrix), params.popularity_power))
    arrays = neighbour_arrays(csr_array(weights(graph, params) @ given))
    return made_of(dataset, ALGORITHM, params, arrays, created_at)


def closed_form(graph: Matrix, params: EaseParams) -> Matrix:
    """The weights that each item (row) has for each other (column), each regression on all.

    Raises:
        BundleError: There are more than `CLOSED_FORM` items.
    """
    if graph.shape[1] > CLOSED_FORM:
        message = (
            f"EASE of {graph.shape[1]} items: all can be read of at most {CLOSED_FORM}; "
            "give it a number of neighbours"
        )
        raise BundleError(message)
    gram = (graph.T @ graph).toarray().astype(np.float64)
    places = np.arange(len(gram))
    gram[places, places] += _ridge(gram.diagonal(), params)
    with threadpool_limits(params.num_threads, user_api="blas"):
        inverse = np.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    weights[places, places] = 0.0
    return csr_array(weights.astype(np.float32))


def near(graph: Matrix, params: EaseParams) -> Matrix:
    """As `closed_form`, each regression on the item's `neighbours` nearest items only."""
    searcher = ItemItemRecommender(K=KNOWN + 1, num_threads=params.num_threads)
    searcher.fit(csr_matrix(graph.astype(np.float64)), show_progress=False)
    known = csr_array(searcher.similarity, dtype=np.float32)
    diagonal = np.asarray(graph.multiply(graph).sum(axis=0))
    read = params.neighbours or KNOWN
    regressions = _Regressions(known, diagonal, _ridge(diagonal, params), read)
    starts = range(0, len(diagonal), TOGETHER)
    # The solver and NumPy's copies give other threads their turn.
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(params.num_threads) as pool,
    ):
        solved = list(pool.map(regressions.solve, starts))
    rows, columns, weights = (np.concatenate(parts) for parts in zip(*solved, strict=True))
    shape = (len(diagonal), len(diagonal))
    return csr_array((weights, (rows, columns)), shape=shape)


def _ridge(diagonal: NDArray[Any], params: EaseParams) -> float:
    return params.regularization * float(diagonal.mean())


class _Regressions:
    """Regressions of items on their nearest items.

    Args:
        known: Likenesses, each item's `KNOWN` greatest; two items are taken to have nothing in
            common when neither is among the other's.
        diagonal: Of the full matrix of likenesses, (items,).
        ridge: Added to it.
        neighbours: That each regression reads.
    """

    def __init__(
        self, known: Matrix, diagonal: NDArray[Any], ridge: float, neighbours: int
    ) -> None:
        off = csr_array(known - diags_array(known.diagonal()))
        off.eliminate_zeros()
        self._items = len(diagonal)
        self._diagonal = (diagonal + ridge).astype(np.float32)
        self._nearest, self._likeness = _side_by_side(off)
        self._neighbours = min(neighbours, self._nearest.shape[1])

    def solve(self, start: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """The regressions of `TOGETHER` items from one on: rows, columns and weights."""
        items = np.arange(start, min(start + TOGETHER, self._items))
        read = self._nearest[items, : self._neighbours]
        target = self._likeness[items, : self._neighbours]
        systems = np.stack([self._system(nearest) for nearest in read])
        weights = np.linalg.solve(systems, target[:, :, None])[:, :, 0]
        there = read < self._items
        columns = np.repeat(items, there.sum(axis=1))
        return read[there].astype(np.int64), columns, weights[there]

    def _system(self, nearest: NDArray[np.int32]) -> Floats:
        """Likenesses of an item's nearest to each other; places without an item stand alone."""
        size = len(nearest)
        place = np.full(self._items + 1, -1, np.int32)
        place[nearest] = np.arange(size, dtype=np.int32)
        place[self._items] = -1
        there = nearest < self._items
        found = place[self._nearest[nearest[there]]]
        rows, cells = np.nonzero(found >= 0)
        system = np.zeros((size, size), np.float32)
        ours = np.flatnonzero(there)[rows]
        theirs = found[rows, cells]
        values = self._likeness[nearest[ours], cells]
        # Either may be among the other's nearest without the reverse.
        system[ours, theirs] = values
        system[theirs, ours] = values
        system[np.arange(size), np.arange(size)] = np.where(
            there, self._diagonal[np.minimum(nearest, self._items - 1)], 1.0
        )
        return system


def _side_by_side(matrix: Matrix) -> tuple[NDArray[np.int32], Floats]:
    """Each row's columns and values, the greatest first; missing ones are the column behind all."""
    lengths = np.diff(matrix.indptr)
    width = max(int(lengths.max(initial=0)), 1)
    columns = np.full((len(lengths), width), len(lengths), np.int32)
    values = np.zeros((len(lengths), width), np.float32)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    places = np.arange(matrix.nnz) - matrix.indptr[rows]
    columns[rows, places] = matrix.indices[order]
    values[rows, places] = matrix.data[order]
    return columns, values
