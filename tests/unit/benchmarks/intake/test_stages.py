"""Every stage of the benchmark of taking events in runs, small, and measures what it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.figures import Figure
from benchmarks.intake.batches import measure_batches
from benchmarks.intake.forged import measure_forged
from benchmarks.intake.freshness import measure_freshness
from benchmarks.intake.imported import measure_import
from benchmarks.intake.looping import measure_loop
from benchmarks.intake.trial import Trial
from benchmarks.intake.webhooks import measure_webhooks
from features.lake import Lake

CORES = sorted(os.sched_getaffinity(0))


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(
        tmp_path,
        server=CORES[0],
        load=CORES[-1],
        seconds=0.3,
        times=1,
        events=12_000,
        rows=3_000,
        items=400,
        probes=5,
    )


@pytest.mark.parametrize(
    ("measure", "barred"),
    [
        (measure_batches, 1),
        (measure_webhooks, 2),
        (measure_freshness, 1),
        (measure_import, 2),
        (measure_forged, 2),
    ],
)
def test_a_stage_measures_all_of_its_bars(
    trial: Trial, measure: Callable[[Trial], list[Figure]], barred: int
) -> None:
    check(measure(trial), barred)


def check(figures: list[Figure], barred: int) -> None:
    assert sum(figure.bar is not None for figure in figures) == barred
    on_disk = "forged webhooks over HTTP, on disk"
    assert all(figure.value > 0 for figure in figures if figure.name != on_disk)
    assert all(figure.value == 0 for figure in figures if figure.name == on_disk)


def test_what_went_through_the_measured_loop_is_in_the_lake(trial: Trial) -> None:
    check(measure_loop(trial), 3)
    lake = Lake(str(trial.folder / "loop" / "lake"))
    rows = [pq.ParquetFile(file).metadata.num_rows for file in lake.files()]
    assert sum(rows) == trial.events
