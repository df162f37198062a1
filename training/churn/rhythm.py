"""What BG/NBD says of customers, as columns beside the features that it reads.

Its parameters travel with a churn model; a customer's frequency, recency and age are features, so
that a model scores from features alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.churn.bgnbd import BgNbd, Buyers
from training.churn.odds import log_odds

RHYTHM: Final = ("purchase_days", "recency_days", "buying_days")
"""The features that BG/NBD reads."""
SILENCE: Final = "silence"
"""Log-odds of no purchase within the horizon."""
RHYTHM_COLUMNS: Final = (SILENCE, "p_alive", "expected_purchases")
"""What it says, in the order of columns."""

Floats = NDArray[np.float64]


def buyers_of(features: Mapping[str, Floats]) -> Buyers:
    """Customers as BG/NBD sees them; who never bought counts as new.

    Args:
        features: Holds `RHYTHM`; NaN counts as 0.
    """
    days, since, age = (np.maximum(np.nan_to_num(features[name]), 0) for name in RHYTHM)
    return Buyers(np.maximum(days - 1, 0), np.maximum(age - since, 0), age)


def rhythm_columns(model: BgNbd, features: Mapping[str, Floats], ahead: float) -> Floats:
    """`RHYTHM_COLUMNS` of each customer, (rows, 3).

    Args:
        model: Fitted on what was before T.
        features: Holds `RHYTHM`.
        ahead: The horizon in days.
    """
    buyers = buyers_of(features)
    said = (
        log_odds(model.p_silent(buyers, ahead)),
        model.p_alive(buyers),
        model.expected_purchases(buyers, ahead),
    )
    return np.stack(said, axis=1)
