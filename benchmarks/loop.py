"""Seconds and peak memory of each stage of the loop on the demo's data.

`python -m benchmarks.loop --json`
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.figures import Figure, at_most, main, plain
from benchmarks.loop_stages import STAGES, Stage

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
            stage, peak = run_stage(name, Path(home))
            if name == ALS:
                ratio = stage.seconds / stage.extra["bare"]
                figures.append(at_most("als step / bare implicit fit", ratio, "ratio", ALS_RATIO))
                continue
            figures.append(plain(f"{name}: time", stage.seconds, "s"))
            figures.append(at_most(f"{name}: peak memory", peak, "MiB", MEMORY_MIB))
    return figures


def run_stage(name: str, home: Path) -> tuple[Stage, float]:
    """One stage: what it printed, and the most memory its process held, in MiB."""
    command = [sys.executable, "-m", "benchmarks.loop_stages", name, str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    assert process.stdout is not None  # a pipe was asked for
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return msgspec.json.decode(printed, type=Stage), usage.ru_maxrss / 1024


if __name__ == "__main__":
    main("loop", measure)
