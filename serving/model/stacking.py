"""Many baskets as one sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from serving.model.basket import Basket


def stack(baskets: Sequence[Basket], items: int) -> csr_array[Any, Any]:
    """The baskets as rows, float32 (baskets, items)."""
    starts = np.zeros(len(baskets) + 1, np.int32)
    np.cumsum([len(basket) for basket in baskets], out=starts[1:])
    rows = [basket.rows for basket in baskets] or [np.empty(0, np.int32)]
    weights = [basket.weights for basket in baskets] or [np.empty(0, np.float32)]
    parts = np.concatenate(weights), np.concatenate(rows), starts
    return csr_array(parts, shape=(len(baskets), items))
