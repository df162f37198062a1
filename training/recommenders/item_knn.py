"""Item-to-item nearest neighbours.

Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", 2001; with customers
scaled by how much they do, as Deshpande & Karypis, "Item-Based Top-N Recommendation Algorithms",
2004, propose. An item is a document whose words are its customers, so the two weighings of text
retrieval apply as well: TF-IDF, and BM25 (Robertson & Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond", 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from serving.model.bundle import Bundle
from training.dataset import Dataset
from training.recommenders.popularity import made_of
from training.recommenders.sparse import customers_of, neighbour_arrays, powers

if TYPE_CHECKING:
    from optuna import Trial

ALGORITHM: Final = "item_knn"
SATURATION: Final = 1.2
"""BM25's k1: how soon another purchase by the same customer says nothing new."""

Cells = NDArray[np.float64]
Scheme = Literal["cosine", "tfidf", "bm25"]


@dataclass(frozen=True)
class ItemKnnParams:
    """Parameters of item-kNN.

    Attributes:
        scheme: How a customer's interest in an item is weighed: `cosine` as it is, `tfidf` less
            for customers with many items, `bm25` also saturated and less for items with many
            customers.
        neighbours: Kept for each item; itself is one of them.
        shrink: Added to the squared norms, so that two items with one common customer are not
            twins.
        damping: Power on the weights, 0 to 1: how much more ten purchases say than one.
        customer_damping: Power on each customer's total, which divides the weights, 0 to 1: how
            much less one of a thousand items says of a customer than one of ten.
        popularity_power: On each neighbour's number of customers, which its gain is multiplied
            by: how far the cosine's dislike of popular items is taken back.
        num_threads: Of the similarity search.
    """

    scheme: Scheme = "cosine"
    neighbours: int = 100
    shrink: float = 10.0
    damping: float = 0.75
    customer_damping: float = 0.5
    popularity_power: float = 0.0
    num_threads: int = 2


def suggest(trial: Trial) -> ItemKnnParams:
    """Parameters worth trying."""
    return ItemKnnParams(
        scheme=cast("Scheme", trial.suggest_categorical("scheme", get_args(Scheme))),
        neighbours=trial.suggest_int("neighbours", 20, 400, log=True),
        shrink=trial.suggest_float("shrink", 0.1, 100.0, log=True),
        damping=trial.suggest_float("damping", 0.0, 1.0),
        customer_damping=trial.suggest_float("customer_damping", 0.0, 1.0),
        popularity_power=trial.suggest_float("popularity_power", 0.0, 0.5),
    )


def fit(dataset: Dataset, params: ItemKnnParams, created_at: datetime) -> Bundle:
    """The item-kNN bundle.

    Similarity is the cosine of two items' columns after weighing, shrunk.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    searcher = ItemItemRecommender(K=params.neighbours, num_threads=params.num_threads)
    searcher.fit(_scaled(dataset.matrix, params), show_progress=False)
    similarity = csr_array(searcher.similarity)
    similarity.data *= powers(customers_of(dataset.matrix), params.popularity_power)[
        similarity.indices
    ]
    return made_of(dataset, ALGORITHM, params, neighbour_arrays(similarity), created_at)


def _scaled(matrix: csr_array[Any, Any], params: ItemKnnParams) -> csr_matrix[Any, Any]:
    """The matrix whose columns' inner products are the similarities."""
    cells = matrix.data.astype(np.float64) ** params.damping
    customers = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    totals = np.bincount(customers, cells, minlength=matrix.shape[0])
    cells = _weighed(matrix, cells, params.scheme)
    # Relative to the mean, so that `shrink` keeps its meaning whatever the damping.
    cells /= (totals / totals.mean())[customers] ** params.customer_damping
    squares = np.bincount(matrix.indices, cells**2, minlength=matrix.shape[1])
    cells /= np.sqrt(squares + params.shrink)[matrix.indices]
    return csr_matrix((cells, matrix.indices, matrix.indptr), shape=matrix.shape)


def _weighed(matrix: csr_array[Any, Any], cells: Cells, scheme: Scheme) -> Cells:
    """What each cell says of its item, by the scheme."""
    if scheme == "cosine":
        return cells
    counts = np.diff(matrix.indptr)
    rarity = np.log1p(matrix.shape[1] / np.maximum(counts, 1))
    rare = rarity[np.repeat(np.arange(len(counts)), counts)]
    if scheme == "tfidf":
        return np.asarray(cells * rare)
    lengths = np.bincount(matrix.indices, cells, minlength=matrix.shape[1])
    known = lengths[lengths > 0]
    long = (lengths / (known.mean() if len(known) else 1.0))[matrix.indices]
    return np.asarray(rare * cells * (SATURATION + 1) / (cells + SATURATION * long))
