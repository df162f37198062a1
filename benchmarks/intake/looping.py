"""The ingest loop: from the log into profiles and the lake, steady and in flat memory."""

from __future__ import annotations

from typing import Final

from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.intake.trial import Trial
from benchmarks.serving.servers import pinned
from benchmarks.stages import run_stage

RATE: Final = 20_000.0
STEADY: Final = 0.9
GROWTH: Final = 1.2
"""The most that memory at the end may be of what it was after a fifth of the events."""


def measure_loop(trial: Trial) -> list[Figure]:
    """Once, for it is long: on a log that holds all events before it starts."""
    home = trial.folder / "loop"
    home.mkdir()
    run_stage("intake.stages", "feed", str(home), str(trial.events))
    with pinned(trial.server):
        stage, peak = run_stage("intake.stages", "loop", str(home), str(trial.events))
    told, events = stage.extra, f"{trial.events:,} events"
    return [
        at_least(f"ingest loop, {events}, one core", told["rate"], "events/s", RATE),
        at_least("ingest loop, last tenth / first", told["last"] / told["first"], "ratio", STEADY),
        at_most(
            "ingest loop, memory at the end / early", told["late"] / told["early"], "ratio", GROWTH
        ),
        plain("ingest loop, memory at the end", told["late"], "MiB"),
        plain("ingest loop, peak memory", peak, "MiB"),
        plain("ingest loop, processor time of an event", told["processor"], "us"),
    ]
