"""Recommenders against published tables and against peers in the same run.

`python -m benchmarks.recommenders --data DIR --json`, or some of it with `--only gowalla,amazon`. A
shop takes about ten times `--budget`, and five minutes more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from matplotlib.figure import Figure as Plot

from benchmarks import evaluation, splits
from benchmarks.figures import (
    Figure,
    at_least,
    at_most,
    parsed_on_data,
    parser_of,
    plain,
    report,
)
from benchmarks.loop import ALS_RATIO
from benchmarks.shops import PARITY, RATIO
from benchmarks.stages import Stage, run_stage
from training.evaluate import PRIMARY

NAME: Final = "recommenders"
MODULE: Final = "recommenders_stages"
MEMORY_MIB: Final = 4 * 1024
BUDGET: Final = 60.0
"""Seconds of tuning for each of our algorithms and each peer."""
SIZES: Final = (100_000, 1_000_000, 10_000_000)
"""Interactions of the shops that are made up."""
FIT_SECONDS: Final = 90.0
"""The most that a fit of the greatest of them may take."""
BETTER: Final = 1.1
"""How much better than the best peer the blend must be."""

Bars = Mapping[str, float]
SPLITS: Final[Mapping[str, tuple[Bars, float]]] = {
    splits.GOWALLA: ({"blend: recall_20": 0.195, "blend: ndcg_20": 0.162}, 60.0),
    splits.AMAZON: ({"blend: ndcg_20": 0.0875}, 5.0),
}
"""What must be reached on a published split, and within how many seconds."""


def gowalla(arguments: argparse.Namespace) -> list[Figure]:
    """The blend, its parts, and GF-CF as it was published."""
    data = str(arguments.data)
    stage, peak = run_stage(MODULE, "gf_cf", data, splits.GOWALLA)
    told = [plain(f"{splits.GOWALLA}: {name}", value, "") for name, value in stage.extra.items()]
    return [
        *_split(data, splits.GOWALLA),
        *told,
        plain("gowalla: GF-CF: fit", stage.seconds, "s"),
        plain("gowalla: GF-CF: peak memory", peak, "MiB"),
    ]


def amazon(arguments: argparse.Namespace) -> list[Figure]:
    """The blend and its parts."""
    return _split(str(arguments.data), splits.AMAZON)


def als(_arguments: argparse.Namespace) -> list[Figure]:
    """Our step of ALS beside a bare fit by implicit, on the demo's data."""
    with TemporaryDirectory() as home:
        run_stage("loop_stages", "import", home)
        stage, _ = run_stage("loop_stages", "als", home)
    bare = stage.extra["bare"]
    return [
        at_most("als step / bare implicit fit", stage.seconds / bare, "ratio", ALS_RATIO),
        plain("als step", stage.seconds, "s"),
        plain("bare implicit fit", bare, "s"),
    ]


def scale(arguments: argparse.Namespace) -> list[Figure]:
    """ALS with its defaults on shops of 100,000 items, and how its cost grows."""
    stages = {size: run_stage(MODULE, "scale", str(size)) for size in SIZES}
    spent = [stage.seconds for stage, _ in stages.values()]
    exponent = float(np.polyfit(np.log(SIZES), np.log(spent), 1)[0])
    if arguments.plot is not None:
        _drawn(spent, exponent).savefig(arguments.plot)
    figures = [plain("scale: exponent of cost against size", exponent, "")]
    for size, (stage, peak) in stages.items():
        time, memory = f"scale: {size:,} interactions", f"scale: {size:,} interactions, peak memory"
        if size == SIZES[-1]:
            figures.append(at_most(time, stage.seconds, "s", FIT_SECONDS))
            figures.append(at_most(memory, peak, "MiB", MEMORY_MIB))
        else:
            figures += [plain(time, stage.seconds, "s"), plain(memory, peak, "MiB")]
    return figures


def households(arguments: argparse.Namespace) -> list[Figure]:
    """Against peers on The Complete Journey."""
    with TemporaryDirectory() as home:
        run_stage("loop_stages", "import", home)
        found = run_stage(MODULE, "households", home, str(arguments.budget))
    return _shop("completejourney", *found)


def retail(arguments: argparse.Namespace) -> list[Figure]:
    """Against peers on Online Retail II."""
    found = run_stage(MODULE, "retail", str(arguments.data), str(arguments.budget))
    return _shop("retail", *found)


def judging(_arguments: argparse.Namespace) -> Sequence[Figure]:
    """How fast customers are judged; `benchmarks.evaluation`."""
    return evaluation.measure()


PARTS: Final[Mapping[str, Callable[[argparse.Namespace], Sequence[Figure]]]] = {
    "gowalla": gowalla,
    "amazon": amazon,
    "als": als,
    "scale": scale,
    "evaluation": judging,
    "retail": retail,
    "completejourney": households,
}
"""What `--only` takes."""


def main() -> None:
    """Measure the parts that the command line names, and print."""
    parser = parser_of(NAME)
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument(
        "--budget", type=float, default=BUDGET, help="seconds of tuning for each model of a shop"
    )
    parser.add_argument("--plot", type=Path, help="where the plot of cost against size is kept")
    arguments = parsed_on_data(parser)
    found = [figure for part in arguments.only for figure in PARTS[part](arguments)]
    report(NAME, found, as_json=arguments.json)


def _parts(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        message = f"{unknown[0]!r} is no part: choose of {', '.join(PARTS)}"
        raise argparse.ArgumentTypeError(message)
    return names


def _split(data: str, name: str) -> list[Figure]:
    stage, peak = run_stage(MODULE, "blend", data, name)
    bars, most = SPLITS[name]
    return [
        *_barred(name, stage, bars),
        at_most(f"{name}: blend: fit", stage.seconds, "s", most),
        at_most(f"{name}: blend: peak memory", peak, "MiB", MEMORY_MIB),
    ]


def _shop(shop: str, stage: Stage, peak: float) -> list[Figure]:
    bars = {f"{PRIMARY}: {RATIO}": BETTER, f"{PRIMARY}: {PARITY}": 1.0}
    return [
        *_barred(shop, stage, bars),
        plain(f"{shop}: all of it", stage.seconds, "s"),
        plain(f"{shop}: peak memory", peak, "MiB"),
    ]


def _barred(what: str, stage: Stage, bars: Bars) -> list[Figure]:
    """A stage's figures, those with a bar held to it."""
    return [
        at_least(f"{what}: {name}", value, "", bars[name])
        if name in bars
        else plain(f"{what}: {name}", value, "")
        for name, value in stage.extra.items()
    ]


def _drawn(spent: Sequence[float], exponent: float) -> Plot:
    """Seconds against interactions, both on logarithmic scales."""
    plot = Plot(figsize=(7.0, 4.0), layout="constrained")
    axes = plot.add_subplot()
    axes.loglog(SIZES, spent, marker="o")
    axes.set_xlabel("interactions")
    axes.set_ylabel("seconds of a fit of ALS")
    axes.set_title(f"Cost grows with size to the power of {exponent:.2f}")
    return plot


if __name__ == "__main__":
    main()
