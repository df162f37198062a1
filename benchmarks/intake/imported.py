"""The import of a large file, against deltalake writing the same rows."""

from __future__ import annotations

from statistics import fmean
from typing import Final

from benchmarks.figures import Figure, at_most, plain
from benchmarks.intake.trial import Trial
from benchmarks.stages import run_stage

RATIO: Final = 6.0
MEMORY_MIB: Final = 4 * 1024
WRITES: Final = 2
"""Of the peer; the import is done once, for it is long."""


def measure_import(trial: Trial) -> list[Figure]:
    """Both on all cores: each uses what it can."""
    home, rows = str(trial.folder / "import"), str(trial.rows)
    (trial.folder / "import").mkdir()
    run_stage("intake.stages", "make", home, rows)
    ours, peak = run_stage("intake.stages", "import", home, rows)
    bare = [
        run_stage("intake.stages", "write", home, f"bare-{number}")[0].seconds
        for number in range(WRITES)
    ]
    ratio = ours.seconds / fmean(bare)
    told = f"import of {trial.rows:,} rows from Parquet"
    return [
        at_most(f"{told} / deltalake writing them", ratio, "ratio", RATIO),
        at_most(f"{told}, peak memory", peak, "MiB", MEMORY_MIB),
        plain(told, ours.seconds, "s"),
        plain("deltalake writing the same rows", fmean(bare), "s"),
    ]
