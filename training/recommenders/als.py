"""Alternating least squares by implicit (Hu, Koren & Volinsky, "Collaborative Filtering for
Implicit Feedback Datasets", 2008; conjugate gradients: Takács, Pilászy & Tikk, 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from serving.model.bundle import Bundle
from training.dataset import Dataset


@dataclass(frozen=True)
class AlsParams:
    """Parameters of ALS.

    Attributes:
        factors: Length of an item's vector.
        regularization: Added to the diagonal of every half-step.
        alpha: Confidence of a cell is 1 + alpha · weight.
        iterations: Full steps.
        seed: Of the random start.
        num_threads: Of implicit's solver.
    """

    factors: int = 64
    regularization: float = 10.0
    alpha: float = 10.0
    iterations: int = 15
    seed: int = 20170101
    num_threads: int = 2


def fit(dataset: Dataset, params: AlsParams, created_at: datetime) -> Bundle:
    """The ALS bundle: item factors and popularity, no customer."""
    raise NotImplementedError
