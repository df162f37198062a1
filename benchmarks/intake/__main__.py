"""`python -m benchmarks.intake --json`: every bar of taking events in, a stage for each kind.

What is measured runs on one core, the load on another. `--only` picks stages; `--events` and
`--rows` say how large the long ones are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, parsed_with_stages, parser_of, report
from benchmarks.intake.batches import measure_batches
from benchmarks.intake.forged import measure_forged
from benchmarks.intake.freshness import measure_freshness
from benchmarks.intake.imported import measure_import
from benchmarks.intake.looping import measure_loop
from benchmarks.intake.trial import Trial
from benchmarks.intake.webhooks import measure_webhooks
from benchmarks.serving.trials import tried
from features.errors import HomingError

STAGES: Final[Mapping[str, Callable[[Trial], list[Figure]]]] = {
    "batches": measure_batches,
    "webhooks": measure_webhooks,
    "freshness": measure_freshness,
    "loop": measure_loop,
    "import": measure_import,
    "forged": measure_forged,
}


def main() -> None:
    """Measure the chosen stages and print."""
    chosen = _arguments()
    figures: list[Figure] = []
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="homing-intake-", dir=chosen.folder) as made:
            trial = Trial(Path(made), events=chosen.events, rows=chosen.rows)
            figures += tried(name, partial(STAGES[name], trial))
    report("intake", figures, as_json=chosen.json)


def _arguments() -> argparse.Namespace:
    parser = parser_of("intake")
    parser.add_argument("--events", type=int, default=Trial.events, help="through the loop")
    parser.add_argument("--rows", type=int, default=Trial.rows, help="that are imported")
    parser.add_argument(
        "--folder", type=Path, help="on the disk to measure; else the temporary one"
    )
    return parsed_with_stages(parser, tuple(STAGES))


if __name__ == "__main__":
    try:
        main()
    except HomingError as error:
        raise SystemExit(str(error)) from error
