"""Segments: six kinds of customers that a marketer can read, told apart by when they bought.

The first line that fits decides; purchases are counted as days with a purchase:

========== ==================================================================================
new        nothing bought yet
lapsed     the last purchase is more than 180 days ago
lapsing    it is more than 30 days ago, and more than three times the customer's own mean gap
           between purchases (who bought once only: more than 90 days ago)
new        the first purchase is at most 30 days ago
loyal      12 or more purchases in the last 91 days: about weekly
regular    4 or more: about monthly
occasional anything else
========== ==================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEW: Final = "new"
OCCASIONAL: Final = "occasional"
REGULAR: Final = "regular"
LOYAL: Final = "loyal"
LAPSING: Final = "lapsing"
LAPSED: Final = "lapsed"
SEGMENTS: Final = (NEW, OCCASIONAL, REGULAR, LOYAL, LAPSING, LAPSED)

NEW_DAYS: Final = 30
LAPSED_DAYS: Final = 180
LAPSING_DAYS: Final = 30
LAPSING_GAPS: Final = 3
LAPSING_ONCE_DAYS: Final = 90
LOYAL_PURCHASES: Final = 12
REGULAR_PURCHASES: Final = 4


def segments(features: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """The segment of each customer.

    Args:
        features: Name → (customers,); reads `recency_days`, `purchase_days`,
            `purchase_days_91d`, `gap_mean_days` and `buying_days`.
    """
    recency, bought = features["recency_days"], features["purchase_days"]
    patience = np.where(
        bought > 1,
        np.maximum(LAPSING_DAYS, LAPSING_GAPS * features["gap_mean_days"]),
        LAPSING_ONCE_DAYS,
    )
    rules = (
        (bought == 0, NEW),
        (recency > LAPSED_DAYS, LAPSED),
        (recency > patience, LAPSING),
        (features["buying_days"] <= NEW_DAYS, NEW),
        (features["purchase_days_91d"] >= LOYAL_PURCHASES, LOYAL),
        (features["purchase_days_91d"] >= REGULAR_PURCHASES, REGULAR),
    )
    found = np.select([fits for fits, _ in rules], [name for _, name in rules], default=OCCASIONAL)
    return [str(name) for name in found]
