"""Made-up snapshots in which recency tells who churns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from features.definitions.table import FEATURES
from training.churn.fit import Source
from training.churn.snapshots import Horizon, Snapshot

AT = datetime(2026, 5, 1, tzinfo=UTC)
HORIZON = Horizon(timedelta(days=28), timedelta(days=56))
SOURCE = Source(HORIZON, AT + HORIZON.ahead, 3)


def make_snapshot(rows: int = 400, *, number: int = 0, seed: int = 5) -> Snapshot:
    """Customers whose chance of churn is 0.05 at recency 0 and 0.65 at recency 56 days."""
    random = np.random.default_rng((seed, number))
    features = {name: random.uniform(0, 10, rows) for name in FEATURES}
    features["recency_days"] = random.uniform(0, 56, rows)
    churned = random.uniform(0, 1, rows) < 0.05 + 0.6 * features["recency_days"] / 56
    keys = tuple(f"ck_{number:04x}{row:028x}" for row in range(rows))
    return Snapshot(AT - HORIZON.ahead * number, keys, features, churned)
