"""What a live answer costs in a catalogue of a thousand items, and in one of a million."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.figures import Figure, at_most, plain
from benchmarks.serving.fetches import live_contestant
from benchmarks.serving.servers import scorer
from benchmarks.serving.shop import make_shop
from benchmarks.serving.trials import (
    BUSY,
    SHARE,
    WARM_SECONDS,
    Late,
    closed,
    late_at,
    late_figures,
    steady,
)

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
CUSTOMERS: Final = 2_000
MOST_MS: Final = 25.0
ALONE: Final = 40.0
"""Requests a second that meet nobody."""


class Size(NamedTuple):
    """What was measured of one catalogue.

    Attributes:
        items: In it.
        processor: Microseconds of processor time of one answer at the server's peak.
        alone: Answers that meet no other.
        peak: Answers a second.
        busy: Answers at 70 % of the peak.
    """

    items: int
    processor: float
    alone: Late
    peak: float
    busy: Late


def measure_growth(folder: Path, plot: Path | None) -> list[Figure]:
    """Every size in turn; the exponent is of the processor's time, from the second size on."""
    sizes = [measure_size(folder / f"shop-{items}", items) for items in SIZES]
    if plot is not None:
        draw(sizes, plot)
    figures = [plain("cost grows with items to the power", exponent(sizes), "exponent")]
    for size in sizes:
        name = f"live, {size.items:,} items"
        p99 = f"{name}, p99 alone"
        figures += [
            at_most(p99, size.alone.p99, "ms", MOST_MS)
            if size is sizes[-1]
            else plain(p99, size.alone.p99, "ms"),
            plain(f"{name}, median alone", size.alone.p50, "ms"),
            *late_figures(name, size.busy),
            plain(f"{name}, peak", size.peak, "requests/s"),
            plain(f"{name}, processor", size.processor, "us/request"),
        ]
    return figures


def measure_size(home: Path, items: int) -> Size:
    """One catalogue."""
    shop = make_shop(home, items, settled=0, changed=CUSTOMERS)
    with scorer(shop) as server:
        live = live_contestant(server, shop)
        closed(live, WARM_SECONDS)
        alone = steady(live, ALONE)
        peak = closed(live, 2 * WARM_SECONDS, BUSY)
        busy = late_at(live, SHARE * peak.rate)
    return Size(items, peak.processor, alone, peak.rate, busy)


def exponent(sizes: Sequence[Size]) -> float:
    """The slope of the processor's time over items, both as logarithms, by least squares."""
    items = np.log([size.items for size in sizes])
    cost = np.log([size.processor for size in sizes])
    return float(np.polyfit(items, cost, 1)[0])


def draw(sizes: Sequence[Size], file: Path) -> None:
    """Latency over items, both axes logarithmic."""
    from matplotlib.figure import Figure as Plot  # noqa: PLC0415 - slow, and only asked for here

    drawing = Plot(figsize=(7.0, 4.5), layout="constrained")
    axes = drawing.subplots()
    items = [size.items for size in sizes]
    axes.plot(
        items, [size.alone.p50 for size in sizes], "o-", color="#0072b2", label="median, alone"
    )
    axes.plot(items, [size.alone.p99 for size in sizes], "o-", color="#d55e00", label="p99, alone")
    label = f"p99 at {SHARE:.0%} of its peak"
    axes.plot(items, [size.busy.p99 for size in sizes], "o--", color="#009e73", label=label)
    axes.axhline(MOST_MS, color="#999999", linewidth=1)
    title = f"A live answer; processor time grows with items to the power {exponent(sizes):.2f}"
    axes.set(xscale="log", yscale="log", xlabel="items", ylabel="ms", title=title)
    axes.legend()
    drawing.savefig(file, dpi=150)
