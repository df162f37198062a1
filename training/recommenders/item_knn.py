"""Item-to-item nearest neighbours.

Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", 2001; with customers
scaled by how much they do, as Deshpande & Karypis, "Item-Based Top-N Recommendation Algorithms",
2004, propose.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender
from scipy.sparse import csr_array, csr_matrix

from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.item_knn import ALGORITHM, NEIGHBOURS, SIMILARITIES, STARTS
from training.dataset import Dataset
from training.recommenders.popularity import popularity_of


@dataclass(frozen=True)
class ItemKnnParams:
    """Parameters of item-kNN.

    Attributes:
        neighbours: Kept for each item; itself is one of them.
        shrink: Added to the squared norms, so that two items with one common customer are not
            twins.
        damping: Power on the weights, 0 to 1: how much more ten purchases say than one.
        customer_damping: Power on each customer's total, which divides the weights, 0 to 1: how
            much less one of a thousand items says of a customer than one of ten.
        num_threads: Of the similarity search.
    """

    neighbours: int = 100
    shrink: float = 10.0
    damping: float = 0.75
    customer_damping: float = 0.5
    num_threads: int = 2


def fit(dataset: Dataset, params: ItemKnnParams, created_at: datetime) -> Bundle:
    """The item-kNN bundle.

    Similarity is the cosine of two items' columns after damping, shrunk.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    searcher = ItemItemRecommender(K=params.neighbours, num_threads=params.num_threads)
    searcher.fit(_scaled(dataset.matrix, params), show_progress=False)
    similarity = csr_array(searcher.similarity)
    similarity.sort_indices()
    return make_bundle(
        algorithm=ALGORITHM,
        params=asdict(params),
        weighting=dataset.weighting,
        items=dataset.items,
        arrays={
            POPULARITY: popularity_of(dataset),
            STARTS: similarity.indptr.astype(np.int32),
            NEIGHBOURS: similarity.indices.astype(np.int32),
            SIMILARITIES: similarity.data.astype(np.float32),
        },
        data=dataset.data,
        created_at=created_at,
    )


def _scaled(matrix: csr_array[Any, Any], params: ItemKnnParams) -> csr_matrix[Any, Any]:
    """The matrix whose columns' inner products are the similarities."""
    cells = matrix.data.astype(np.float64) ** params.damping
    customers = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    totals = np.bincount(customers, cells, minlength=matrix.shape[0])
    # Relative to the mean, so that `shrink` keeps its meaning whatever the damping.
    cells /= (totals / totals.mean())[customers] ** params.customer_damping
    squares = np.bincount(matrix.indices, cells**2, minlength=matrix.shape[1])
    cells /= np.sqrt(squares + params.shrink)[matrix.indices]
    return csr_matrix((cells, matrix.indices, matrix.indptr), shape=matrix.shape)
