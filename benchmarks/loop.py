"""Seconds and peak memory of each stage of the loop on the demo's data.

`python -m benchmarks.loop --json`
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from benchmarks.figures import Figure, at_most, main, plain
from benchmarks.loop_stages import STAGES
from benchmarks.stages import run_stage

ALS = "als"
ALS_RATIO = 1.1
"""The most that our ALS step may take of a bare fit: popularity and checksums are not free."""
MEMORY_MIB = 4 * 1024
"""The most that any stage of the demo may hold."""


def measure() -> Sequence[Figure]:
    """Run the stages one after the other, each in a process of its own."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as home:
        for name in STAGES:
            stage, peak = run_stage("loop_stages", name, home)
            if name == ALS:
                ratio = stage.seconds / stage.extra["bare"]
                figures.append(at_most("als step / bare implicit fit", ratio, "ratio", ALS_RATIO))
                continue
            figures.append(plain(f"{name}: time", stage.seconds, "s"))
            figures.append(at_most(f"{name}: peak memory", peak, "MiB", MEMORY_MIB))
    return figures


if __name__ == "__main__":
    main("loop", measure)
