"""Ten times the load that can be carried: what still comes in time, and how soon all is well again.

Every fetch is a live one. *Goodput* counts answers 200 within the deadline of a template, from the
moment at which they were due. A shower of requests comes on a bounded number of connections, as
through a load balancer; one that finds none free for long is not sent, and counts as lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.serving.fetches import live_contestant
from benchmarks.serving.servers import LOAD_CORE, pinned, scorer
from benchmarks.serving.shop import Shop
from benchmarks.serving.trials import WARM_SECONDS, Contestant, closed, steady
from homing.rehearsal.load import Sending, open_loop, poisson
from homing.rehearsal.measured import Measured

TIMES_OVER: Final = 10.0
KEPT: Final = 0.9
RECOVERED_SECONDS: Final = 2.0
DEADLINE: Final = 1.05
"""Seconds: the default deadline, and what drawing and sending may take on top."""
STEPS: Final = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Loads that look for the peak, in parts of what a closed loop carries."""
SECONDS: Final = 4.0
AFTER: Final = 6.0
"""Seconds of light load after the shower, in which recovery is looked for."""
LIGHT: Final = 0.5
CONNECTIONS: Final = 1_000
PATIENCE: Final = 0.1
WINDOW: Final = 0.25
NORMAL: Final = 2.0
"""Latency is normal again within so many times what it was before."""
_LEAST_MS: Final = 10.0
"""Latencies below are normal whatever they were before."""


def measure_overload(shop: Shop, folder: Path) -> list[Figure]:  # noqa: ARG001 - as all are called
    """Its peak, what ten times as much leaves of it, and the time until latency is as before."""
    with scorer(shop) as server:
        live = live_contestant(server, shop)
        carried = closed(live, 2 * WARM_SECONDS).rate
        before = steady(live, LIGHT * carried, SECONDS).p99
        goods = [
            _good(_shower(live, poisson(step * carried, _many(step * carried)))) for step in STEPS
        ]
        peak = max(goods)
        over, light = TIMES_OVER * carried, LIGHT * carried
        heavy = poisson(over, _many(over))
        calm = heavy[-1] + poisson(light, round(light * AFTER), seed=1)
        measured = _shower(live, np.concatenate([heavy, calm]))
        kept = _good(measured, float(heavy[-1]))
        back = recovery(measured, float(heavy[-1]), max(NORMAL * before, _LEAST_MS) / 1_000)
    return [
        at_least(
            f"goodput at {TIMES_OVER:g} times the load / its peak", kept / peak, "ratio", KEPT
        ),
        at_most("latency as before after the overload", back, "s", RECOVERED_SECONDS),
        plain("live, carried in a closed loop", carried, "requests/s"),
        plain("goodput, peak", peak, "requests/s"),
        plain(f"goodput at {TIMES_OVER:g} times the load", kept, "requests/s"),
        plain("p99 before", before, "ms"),
    ]


def recovery(measured: Measured, end: float, normal: float) -> float:
    """Seconds after the shower's end from which on every quarter of a second was normal.

    Args:
        measured: What was heard, with light load after the end.
        end: Of the shower, seconds since the start.
        normal: Seconds that 99 in 100 may take.
    """
    fine = measured.good(np.inf)
    back = 0.0
    for start in np.arange(end, end + AFTER - WINDOW / 2, WINDOW):
        inside = (measured.due >= start) & (measured.due < start + WINDOW)
        if not inside.any():
            continue
        slow = float(np.quantile(measured.seconds[inside], 0.99))
        if slow > normal or not fine[inside].all():
            back = float(start - end + WINDOW)
    return back


def _many(rate: float) -> int:
    return max(1, round(rate * SECONDS))


def _shower(contestant: Contestant, due: NDArray[np.float64]) -> Measured:
    """Requests as they fall due, whatever comes back."""
    sending = Sending(contestant.target, CONNECTIONS, patience=PATIENCE)
    with pinned(LOAD_CORE):
        return open_loop(sending, contestant.requests, due)


def _good(measured: Measured, until: float | None = None) -> float:
    """Answers a second that came in time, of those that were due before some moment."""
    end = float(measured.due.max()) if until is None else until
    return float((measured.good(DEADLINE) & (measured.due <= end)).sum()) / end
