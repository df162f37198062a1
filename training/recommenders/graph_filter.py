"""Graph filters: the customers × items matrix as a graph, and a taste as a signal on it.

With R̃ = D_U^-a R D_I^-1/2 (the matrix, each customer's row and each item's column divided by a
power of their number of cells), a customer's items are smoothed by two filters: the linear one
R̃'R̃, which is an item-kNN, and the ideal low-pass one V V', which keeps the `rank` smoothest
frequencies, the right singular vectors of R̃ (Shen et al., "How Powerful is Graph Convolution for
Recommendation?", 2021: GF-CF, which is `customer_power` 0.5, `popularity_power` 0.5, all
neighbours, rank 256 and `low_pass` 0.3)::

    score = x (R̃'R̃ + low_pass * D_I^-1/2 V V' D_I^popularity_power)

With `ridge` the filter is that of ridge regression instead, q / (q + ridge) at each frequency q of
R̃'R̃ (the greatest is 1): exact for the `rank` smoothest. The rest, below the last frequency p of
these, follow the straight line from 0 to where that one is, which is R̃'R̃ again and needs no
frequencies; without a linear filter they are left out::

    score = x (slope R̃'R̃ + V [q / (q + ridge) - slope q] V') D_I^popularity_power
    slope = 1 / (p + ridge)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from scipy.sparse.linalg import svds

from serving.model.arrays import Array
from serving.model.bundle import Bundle
from serving.model.linear import IN, OUT
from training.dataset import Dataset
from training.recommenders.popularity import made_of
from training.recommenders.sparse import (
    customers_of,
    graph_of,
    neighbour_arrays,
    powers,
    scaled,
    singular_of,
)

if TYPE_CHECKING:
    from optuna import Trial

ALGORITHM: Final = "graph_filter"


@dataclass(frozen=True)
class GraphFilterParams:
    """Parameters of graph filters.

    Attributes:
        power: On the weights of what the customer has, 0 to 1; 0 asks only whether.
        customer_power: On each customer's number of items, which divides the row.
        neighbours: Of the linear filter, kept for each item; 0 for no linear filter, None for all.
        rank: Of the low-pass filter.
        low_pass: Its weight beside the linear one.
        popularity_power: On each item's number of customers, which multiplies what the low-pass
            filter gives.
        ridge: Of ridge regression, relative to the greatest frequency; None for the plain filters.
        exact: Whether the decomposition is exact (ARPACK) or randomised, which is faster and
            also keeps a little of the frequencies beyond.
        num_threads: Of the similarity search.
        seed: Of the randomised decomposition.
    """

    power: float = 0.0
    customer_power: float = 0.3
    neighbours: int | None = 0
    rank: int = 128
    low_pass: float = 1.0
    popularity_power: float = 0.45
    ridge: float | None = None
    exact: bool = False
    num_threads: int = 2
    seed: int = 20170101


def suggest(trial: Trial) -> GraphFilterParams:
    """Parameters worth trying."""
    return GraphFilterParams(
        power=trial.suggest_float("power", 0.0, 1.0),
        customer_power=trial.suggest_float("customer_power", 0.1, 0.6),
        rank=trial.suggest_int("rank", 8, 512, log=True),
        popularity_power=trial.suggest_float("popularity_power", 0.0, 0.7),
    )


def fit(dataset: Dataset, params: GraphFilterParams, created_at: datetime) -> Bundle:
    """The bundle of a graph filter.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    graph = graph_of(dataset.matrix, params.power, params.customer_power, 0.5)
    rank = min(params.rank, *graph.shape)
    sizes, vectors = _right_vectors(graph, rank, params)
    counts = customers_of(dataset.matrix)
    taken, given = powers(counts, -0.5), powers(counts, params.popularity_power)
    linear = None if params.neighbours == 0 else _linear(graph, params)
    if params.ridge is None:
        response = np.full(rank, params.low_pass)
    else:
        frequencies = (sizes / sizes.max()) ** 2
        response = frequencies / (frequencies + params.ridge)
        taken = np.ones(len(counts))
        if linear is not None:
            # A steeper line would favour the frequencies beyond over those that are known.
            slope = 1.0 / (frequencies.min() + params.ridge)
            response -= slope * frequencies
            linear = scaled(linear, taken * slope / sizes.max() ** 2, given)
    arrays: dict[str, Array] = {
        IN: (vectors * taken[:, None] * response).astype(np.float32),
        OUT: (vectors * given[:, None]).astype(np.float32),
    }
    if linear is not None:
        arrays |= neighbour_arrays(linear)
    return made_of(dataset, ALGORITHM, params, arrays, created_at)


def _right_vectors(
    graph: csr_array[Any, Any], rank: int, params: GraphFilterParams
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The greatest singular values, (rank,), and their right vectors, (items, rank)."""
    # ARPACK can't give all of them; random directions as many as there are miss nothing either.
    if params.exact and rank < min(graph.shape):
        start = np.random.default_rng(params.seed).standard_normal(min(graph.shape))
        _, sizes, found = svds(
            graph.astype(np.float64), rank, v0=start, return_singular_vectors="vh"
        )
        return np.asarray(sizes, np.float64), np.asarray(found.T, np.float64)
    return singular_of(graph, rank, params.seed)[1:]


def _linear(graph: csr_array[Any, Any], params: GraphFilterParams) -> csr_array[Any, Any]:
    """R̃'R̃, each item's greatest neighbours."""
    if params.neighbours is None:
        return csr_array(graph.T @ graph)
    searcher = ItemItemRecommender(K=params.neighbours, num_threads=params.num_threads)
    searcher.fit(csr_matrix(graph.astype(np.float64)), show_progress=False)
    return csr_array(searcher.similarity)
