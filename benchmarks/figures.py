"""What every benchmark shares: figures with their bars, the machine, and how they are printed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

TIMES: Final = 5
"""How often a thing is measured; the median counts."""
CORES: Final = 2
"""What servers and their load need together."""


class Figure(msgspec.Struct, frozen=True):
    """One measured number.

    Attributes:
        name: What was measured.
        value: The number.
        unit: Its unit.
        bar: What it must keep, like `>= 20000`; None where nothing is promised.
        holds: Whether it keeps the bar; None without one.
    """

    name: str
    value: float
    unit: str
    bar: str | None = None
    holds: bool | None = None


class Report(msgspec.Struct, frozen=True):
    """What `--json` prints.

    Attributes:
        benchmark: The benchmark's name.
        figures: All that was measured.
        machine: Where.
    """

    benchmark: str
    figures: tuple[Figure, ...]
    machine: dict[str, str | int | float]


def at_least(name: str, value: float, unit: str, bar: float) -> Figure:
    """A figure that must reach its bar."""
    return Figure(name, _rounded(value), unit, f">= {bar:g}", value >= bar)


def at_most(name: str, value: float, unit: str, bar: float) -> Figure:
    """A figure that must not exceed its bar."""
    return Figure(name, _rounded(value), unit, f"<= {bar:g}", value <= bar)


def plain(name: str, value: float, unit: str) -> Figure:
    """A figure that promises nothing."""
    return Figure(name, _rounded(value), unit)


def seconds(work: Callable[[], object]) -> float:
    """How long the work takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_of(measure: Callable[[], float], times: int = TIMES) -> float:
    """The median of several measurements."""
    return median(measure() for _ in range(times))


def machine() -> dict[str, str | int | float]:
    """What the figures depend on."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        "memory_gib": round(gibibytes, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def main(benchmark: str, measure: Callable[[], Sequence[Figure]]) -> None:
    """Measure and print: one JSON object with `--json`, else a line a figure.

    Args:
        benchmark: Its name, as in `python -m benchmarks.NAME`.
        measure: Takes all measurements.
    """
    arguments = parser_of(benchmark).parse_args()
    report(benchmark, measure(), as_json=arguments.json)


def main_on_data(benchmark: str, measure: Callable[[Path], Sequence[Figure]]) -> None:
    """As `main`, with `--data DIR` for the folder of public data, which is no part of Homing.

    Args:
        benchmark: Its name, as in `python -m benchmarks.NAME`.
        measure: Takes all measurements on the data in a folder.
    """
    arguments = parsed_on_data(parser_of(benchmark))
    report(benchmark, measure(arguments.data), as_json=arguments.json)


def parser_of(benchmark: str) -> argparse.ArgumentParser:
    """A parser of a benchmark's command line with `--json`.

    Args:
        benchmark: Its name, as in `python -m benchmarks.NAME`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def parsed_on_data(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, with `--data DIR` for a folder that must be there."""
    parser.add_argument("--data", type=Path, required=True, help="the folder of public data")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"--data {arguments.data}: no such folder")
    return arguments


def parsed_with_stages(
    parser: argparse.ArgumentParser, stages: Sequence[str]
) -> argparse.Namespace:
    """The command line of what measures servers under load: `only` names the stages to measure.

    Args:
        parser: With all other options.
        stages: Names of all there are, in their order.
    """
    known = ", ".join(stages)
    parser.add_argument("--only", default=",".join(stages), help=f"some of {known}")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    unknown = [name for name in arguments.only if name not in stages]
    if unknown:
        parser.error(f"--only {','.join(unknown)}: choose from {known}")
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < CORES:
        parser.error("servers and load need a core each: run it on Linux with two cores or more")
    return arguments


def report(benchmark: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print what was measured, and where."""
    _print(Report(benchmark, tuple(figures), machine()), as_json=as_json)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    for figure in report.figures:
        kept = {None: "", True: f"  {figure.bar} holds", False: f"  {figure.bar} MISSED"}
        print(f"{figure.name:48} {figure.value:>12,g} {figure.unit}{kept[figure.holds]}")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
