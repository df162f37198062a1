"""`python -m benchmarks.serving --json`: every bar of serving, a stage for each kind.

Servers run on one core, the load on another. `--only` picks stages, `--plot` draws the growth of
cost with the catalogue, `--keep` keeps the made shops for another run.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, parsed_with_stages, parser_of, report
from benchmarks.serving.batch import measure_batch
from benchmarks.serving.fetches import measure_live, measure_stored
from benchmarks.serving.growth import measure_growth
from benchmarks.serving.overload import measure_overload
from benchmarks.serving.peers import measure_peers
from benchmarks.serving.reads import measure_reads
from benchmarks.serving.shop import Shop, make_shop
from benchmarks.serving.starting import measure_start
from benchmarks.serving.trials import tried
from benchmarks.serving.workers import measure_workers
from features.errors import HomingError

ITEMS: Final = 68_000
SETTLED: Final = 30_000
"""More than a process remembers pins of, so that what answers is the store."""
CHANGED: Final = 5_000
STAGES: Final[Mapping[str, Callable[[Shop, Path], list[Figure]]]] = {
    "stored": measure_stored,
    "live": measure_live,
    "peers": measure_peers,
    "batch": measure_batch,
    "reads": measure_reads,
    "workers": measure_workers,
    "start": measure_start,
    "overload": measure_overload,
}
GROWTH: Final = "growth"


def main() -> None:
    """Measure the chosen stages and print."""
    chosen = _arguments()
    with tempfile.TemporaryDirectory(prefix="homing-serving-") as made:
        folder = Path(made)
        kept = chosen.keep or folder
        figures: list[Figure] = []
        for name in chosen.only:

            def measure(name: str = name) -> list[Figure]:
                if name == GROWTH:
                    return measure_growth(kept, chosen.plot)
                shop = make_shop(kept / "shop", ITEMS, SETTLED, CHANGED)
                return STAGES[name](shop, folder)

            figures += tried(name, measure)
    report("serving", figures, as_json=chosen.json)


def _arguments() -> argparse.Namespace:
    parser = parser_of("serving")
    parser.add_argument("--plot", type=Path, help="draw the growth of cost here, .png or .svg")
    parser.add_argument("--keep", type=Path, help="keep the made shops in this folder")
    return parsed_with_stages(parser, (*STAGES, GROWTH))


if __name__ == "__main__":
    try:
        main()
    except HomingError as error:
        raise SystemExit(str(error)) from error
