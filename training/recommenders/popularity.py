"""Time-decayed popularity: the same order for everybody, and the model that others must beat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from serving.model.bundle import Bundle
from training.dataset import Dataset


@dataclass(frozen=True)
class PopularityParams:
    """Parameters of the popularity model.

    Attributes:
        damping: Power on each customer's weight before the sum, 0 to 1: 0 counts customers, 1
            counts their weight.
    """

    damping: float = 1.0


def fit(dataset: Dataset, params: PopularityParams, created_at: datetime) -> Bundle:
    """The popularity bundle."""
    raise NotImplementedError
