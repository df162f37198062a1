"""Churn on public data: better than BG/NBD, and honest on later time.

`python -m benchmarks.churn --data DIR --json`
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import churn_cdnow, churn_online_retail
from benchmarks.figures import Figure, main_on_data


def measure(data: Path) -> Sequence[Figure]:
    """Both data sets, one after the other."""
    return [*churn_cdnow.measure(data), *churn_online_retail.measure(data)]


if __name__ == "__main__":
    main_on_data("churn", measure)
