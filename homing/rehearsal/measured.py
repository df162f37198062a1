"""What load measured: every answer, and the figures of all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

OK: Final = 200
_MILLISECONDS: Final = 1_000.0


class Latency(msgspec.Struct, frozen=True):
    """How long answers took, in milliseconds; 0 where there were none.

    Attributes:
        p50: Half of them took no longer.
        p90: Nine in ten.
        p99: 99 in 100.
        p999: 999 in 1,000.
        most: All.
    """

    p50: float
    p90: float
    p99: float
    p999: float
    most: float


class LoadFigures(msgspec.Struct, frozen=True):
    """What load comes to.

    Attributes:
        requests: How many were due.
        answered: How many were answered.
        rate: Answers a second, from the first request to the last answer.
        statuses: Status → answers; `none` for requests whose connection was lost or never answered.
        unsent: Requests that no connection was free for in time.
        latency: Of all that were answered.
    """

    requests: int
    answered: int
    rate: float
    statuses: dict[str, int]
    unsent: int
    latency: Latency


@dataclass(frozen=True, eq=False)
class Measured:
    """Every request that was sent, in the order in which their answers came.

    Attributes:
        statuses: HTTP's status, int16, 0 where no answer came; (requests,).
        seconds: From when the request was due until its answer was whole, (requests,).
        due: When it was due, seconds since the start, (requests,).
        numbers: Which request it was, int64, (requests,).
        unsent: Requests that no connection was free for in time.
        took: Seconds from the start to the last answer.
    """

    statuses: NDArray[np.int16]
    seconds: NDArray[np.float64]
    due: NDArray[np.float64]
    numbers: NDArray[np.int64]
    unsent: int
    took: float

    @property
    def came(self) -> NDArray[np.bool_]:
        """Which requests were answered at all, (requests,)."""
        return self.statuses > 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return float(self.came.sum()) / self.took

    def good(self, within: float) -> NDArray[np.bool_]:
        """Which requests were answered 200 within so many seconds of when they were due."""
        return np.asarray((self.statuses == OK) & (self.seconds <= within))

    def latency(self) -> Latency:
        """Percentiles of those that were answered."""
        seconds = self.seconds[self.came]
        if not len(seconds):
            return Latency(0.0, 0.0, 0.0, 0.0, 0.0)
        quantiles = np.quantile(seconds, (0.5, 0.9, 0.99, 0.999, 1.0))
        return Latency(*(round(float(of) * _MILLISECONDS, 3) for of in quantiles))

    def figures(self) -> LoadFigures:
        """All of it in a few numbers."""
        counted = Counter(self.statuses.tolist())
        return LoadFigures(
            requests=len(self.statuses) + self.unsent,
            answered=int(self.came.sum()),
            rate=round(self.rate, 1),
            statuses={str(status or "none"): counted[status] for status in sorted(counted)},
            unsent=self.unsent,
            latency=self.latency(),
        )
