"""All features side by side."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from features.lake import Lake

FEATURES: tuple[str, ...] = ()


def feature_table(lake: Lake, as_of: datetime, version: int | None = None) -> pa.Table:
    """One row a customer with any event before `as_of`: `customer` (string), FEATURES (float64)."""
    raise NotImplementedError
