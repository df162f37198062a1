"""`python -m benchmarks.intake --json`: every bar of taking events in, a stage for each kind.

What is measured runs on one core, the load on another. `--only` picks stages; `--events` and
`--rows` say how large the long ones are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, parser_of, report
from benchmarks.intake.batches import measure_batches
from benchmarks.intake.forged import measure_forged
from benchmarks.intake.freshness import measure_freshness
from benchmarks.intake.imported import measure_import
from benchmarks.intake.looping import measure_loop
from benchmarks.intake.trial import Trial
from benchmarks.intake.webhooks import measure_webhooks
from benchmarks.serving.trials import WrongAnswerError
from features.errors import HomingError

STAGES: Final[Mapping[str, Callable[[Trial], list[Figure]]]] = {
    "batches": measure_batches,
    "webhooks": measure_webhooks,
    "freshness": measure_freshness,
    "loop": measure_loop,
    "import": measure_import,
    "forged": measure_forged,
}
CORES: Final = 2


def main() -> None:
    """Measure the chosen stages and print."""
    chosen = _arguments()
    figures: list[Figure] = []
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="homing-intake-", dir=chosen.folder) as made:
            trial = Trial(Path(made), events=chosen.events, rows=chosen.rows)
            try:
                figures += STAGES[name](trial)
            except WrongAnswerError as error:
                # The other stages still tell something.
                sys.stderr.write(f"{name}: {error}\n")
                figures.append(
                    Figure(f"{name}: not measured", 0.0, "", "answers as meant", holds=False)
                )
    report("intake", figures, as_json=chosen.json)


def _arguments() -> argparse.Namespace:
    parser = parser_of("intake")
    parser.add_argument("--only", default=",".join(STAGES), help=f"some of {', '.join(STAGES)}")
    parser.add_argument("--events", type=int, default=Trial.events, help="through the loop")
    parser.add_argument("--rows", type=int, default=Trial.rows, help="that are imported")
    parser.add_argument(
        "--folder", type=Path, help="on the disk to measure; else the temporary one"
    )
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    unknown = [name for name in chosen.only if name not in STAGES]
    if unknown:
        parser.error(f"--only {','.join(unknown)}: choose from {', '.join(STAGES)}")
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < CORES:
        parser.error("servers and load need a core each: run it on Linux with two cores or more")
    return chosen


if __name__ == "__main__":
    try:
        main()
    except HomingError as error:
        raise SystemExit(str(error)) from error
