"""Made-up shops of any size, with a taste in them: what fitting costs as history grows.

Customers belong to one of `TASTES` groups that prefer some items; items are as unevenly popular as
in real shops (Zipf). Nothing here is judged, only timed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
from scipy.sparse import coo_array, csr_array

from serving.model.weighting import UNFADING
from training.dataset import Dataset, dataset_of

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
PER_CUSTOMER: Final = 20
"""Interactions of a customer, on average."""
TASTES: Final = 50
OWN_TASTE: Final = 0.7
"""Share of interactions that are with the group's own items."""
EXPONENT: Final = 0.9
"""Of Zipf's law: the n-th most popular item is wanted 1 / n ** EXPONENT times as much."""


def made_up(interactions: int, items: int, seed: int = 1) -> Dataset:
    """Customers x items, of about so many interactions.

    Args:
        interactions: Drawn; some fall on the same cell.
        items: In the catalogue.
        seed: Of the draw.
    """
    random = np.random.default_rng(seed)
    customers = max(interactions // PER_CUSTOMER, 2)
    rows = random.integers(0, customers, interactions)
    shares = np.arange(1, items + 1) ** -EXPONENT
    popular = random.choice(items, interactions, p=shares / shares.sum())
    # An item of the customer's group, about as popular as the one drawn.
    own = popular - popular % TASTES + rows % TASTES
    columns = np.where(random.random(interactions) < OWN_TASTE, np.minimum(own, items - 1), popular)
    ones = np.ones(interactions, np.float32)
    cells = csr_array(coo_array((ones, (rows, columns)), shape=(customers, items)))
    cells.data[:] = 1.0
    names = [f"{number:07}" for number in range(max(customers, items))]
    return dataset_of(cells, names[:customers], names[:items], UNFADING, AT)
