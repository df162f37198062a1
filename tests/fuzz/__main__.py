"""Fuzzes every parser and verifier: `python -m tests.fuzz [--cases N] [--only WORD…]`.

Each target in a process of its own, under atheris where that is installed, else under hypothesis.
Prints the table of docs/reliability.md as it grows; ends with status 1 where a case had an error
that is not of the tree in `features.errors`, took longer than `SLOW`, or took more memory than
`MEMORY`. Such a case is kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.proxy import say
from tests.fuzz.known import targets

CASES: Final = 40_000
SLOW: Final = 10
"""Seconds for one case."""
MEMORY: Final = 2_048
"""MiB."""
LONGEST: Final = 8_192
"""Bytes of a case."""
HEAD: Final = ("target", "cases", "seconds", "of which new ways", "finds")
_STAT = re.compile(r"^stat::(\w+): +(\d+)$", re.MULTILINE)


class Outcome(NamedTuple):
    """What became of a target.

    Attributes:
        cases: That were tried.
        seconds: Of wall-clock time, with the start of the process.
        ways: Cases that went where none had been; None where nobody looked.
        find: The case that went wrong.
        told: What was written of it.
    """

    cases: int
    seconds: float
    ways: int | None
    find: Path | None
    told: str


def guided() -> bool:
    """Whether there is an atheris."""
    return importlib.util.find_spec("atheris") is not None


def fuzz(name: str, cases: int, keep: Path, *, under_atheris: bool) -> Outcome:
    """Fuzz one target.

    Args:
        name: The target's.
        cases: How many.
        keep: Folder for a find.
        under_atheris: Or under hypothesis.
    """
    limits = [f"-timeout={SLOW}", f"-rss_limit_mb={MEMORY}", f"-max_len={LONGEST}"]
    # Short cases are not better ones: they are no longer what somebody sends.
    options = [f"-runs={cases}", *limits, "-reduce_inputs=0", "-print_final_stats=1"]
    with tempfile.TemporaryDirectory() as folder:
        by = ["guided", name, folder, *options] if under_atheris else ["drawn", name, folder]
        command = [sys.executable, "-m", f"tests.fuzz.{by[0]}", *by[1:]]
        begun = time.perf_counter()
        ran = subprocess.run(  # noqa: S603 - ourselves
            command if under_atheris else [*command, str(cases)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        seconds = time.perf_counter() - begun
        stats = {stat: int(count) for stat, count in _STAT.findall(ran.stderr)}
        find = None
        if ran.returncode:
            find = keep / re.sub(r"\W+", "-", name)
            keep.mkdir(parents=True, exist_ok=True)
            for case in Path(folder).glob("*-*"):
                shutil.copyfile(case, find)
        tried, ways = stats.get("number_of_executed_units", 0), stats.get("new_units_added")
        return Outcome(tried, seconds, ways, find, ran.stdout or ran.stderr)


def line(*texts: str) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(texts)} |"


def cells(name: str, outcome: Outcome) -> tuple[str, ...]:
    """A target in the table, in the order of `HEAD`."""
    ways = "–" if outcome.ways is None else f"{outcome.ways:,}"
    find = "0" if outcome.find is None else f"1: {outcome.find}"
    return name, f"{outcome.cases:,}", f"{outcome.seconds:.0f}", ways, find


def main() -> int:
    """Fuzz the targets; 1 where one has a find."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="of each target")
    parser.add_argument("--only", nargs="*", default=[""], help="words of targets' names")
    parser.add_argument("--keep", type=Path, default=Path("var/fuzz"), help="folder for finds")
    given = parser.parse_args()
    under_atheris = guided()
    if not under_atheris:
        sys.stderr.write("atheris is not installed: hypothesis draws the cases\n")
    chosen = [name for name in targets() if any(word in name for word in given.only)]
    say(line(*HEAD))
    say(line(*("---" for _ in HEAD)))
    total, finds = 0, 0
    for name in chosen:
        outcome = fuzz(name, given.cases, given.keep, under_atheris=under_atheris)
        say(line(*cells(name, outcome)))
        total += outcome.cases
        if outcome.find is not None:
            finds += 1
            sys.stderr.write(outcome.told[-4_000:])
    say(line("all", f"{total:,}", "", "", str(finds)))
    return 1 if finds or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
