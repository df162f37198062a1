"""Item-to-item nearest neighbours (Sarwar et al., "Item-based Collaborative Filtering", 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from serving.model.bundle import Bundle
from training.dataset import Dataset


@dataclass(frozen=True)
class ItemKnnParams:
    """Parameters of item-kNN.

    Attributes:
        neighbours: Kept for each item.
        shrink: Added to the squared norms, so that two items with one common buyer are not twins.
        num_threads: Of the similarity search.
    """

    neighbours: int = 100
    shrink: float = 10.0
    num_threads: int = 2


def fit(dataset: Dataset, params: ItemKnnParams, created_at: datetime) -> Bundle:
    """The item-kNN bundle."""
    raise NotImplementedError
