"""Made-up snapshots in which recency tells who churns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from features.definitions.table import FEATURES
from training.churn.lessons import Source
from training.churn.rhythm import buyers_of
from training.churn.snapshots import Horizon, Snapshot

AT = datetime(2026, 5, 1, tzinfo=UTC)
HORIZON = Horizon(timedelta(days=28), timedelta(days=56))
SOURCE = Source(HORIZON, AT + HORIZON.ahead, 3)
LONGEST = {"recency_days": 56, "emails_91d": 10}
"""The most that a feature which drives churn can be."""


def make_snapshot(
    rows: int = 400, *, number: int = 0, seed: int = 5, driver: str = "recency_days"
) -> Snapshot:
    """Customers whose chance of churn rises with one feature, from 0.05 at 0 to 0.65 at its end."""
    random = np.random.default_rng((seed, number))
    features = {name: random.uniform(0, 10, rows) for name in FEATURES}
    features["recency_days"] = random.uniform(0, 56, rows)
    features["purchase_days"] = np.ceil(features["purchase_days"])
    features["buying_days"] = features["recency_days"] + 10 * features["purchase_days"]
    churned = random.uniform(0, 1, rows) < 0.05 + 0.6 * features[driver] / LONGEST[driver]
    keys = tuple(f"ck_{number:04x}{row:028x}" for row in range(rows))
    at = AT - HORIZON.ahead * number
    return Snapshot(at, keys, features, churned, buyers_of(features))
