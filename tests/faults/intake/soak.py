"""The stages of the long proof that concern events: the tables of docs/reliability.md."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.faults.intake.cuts import Cuts
from tests.faults.intake.killing import Pace, run_kills
from tests.faults.intake.outcome import Wrong
from tests.faults.intake.storm import run_storm
from tests.faults.intake.victims import BROKERS
from tests.faults.proxy import say

LIFE: Final = 6.0
"""Seconds that a process lives at most before it is killed; the shortest that lets much through."""
RATE: Final = 10.0
"""Requests in a second of each of four senders."""


class Size(NamedTuple):
    """How long the stages are.

    Attributes:
        kills: On each event log.
        requests: Of each sender, while it is written down what a cut would forget.
        cuts: How often the power goes.
        events: Different ones of the duplicate storm.
    """

    kills: int = 300
    requests: int = 1_000
    cuts: int = 1_000
    events: int = 10_000


Line = tuple[Mapping[str, str], bool]
"""Column → text, and whether all is well."""


def killed(log: str, size: Size, home: Path) -> Line:
    """Intake, ingest loops and broker are killed."""
    found = run_kills(log, home, Pace(size.kills, LIFE, RATE))
    refused = sum(times for status, times in found.asked.items() if status > 202)
    cells = {
        **{f"{name} killed": f"{found.kills[name]}" for name in ("intake", "ingest", "broker")},
        "acknowledged": f"{found.events:,}",
        "requests": f"{found.asked.total():,}",
        "unanswered": f"{found.asked[0]:,}",
        "told to come back": f"{refused:,}",
        **_wrong(found.wrong),
        "took": f"{found.seconds:.0f} s",
        "all carried on after": f"{found.drained:.0f} s",
    }
    return cells, not found.wrong


def cut(size: Size, home: Path) -> Line:
    """The power goes; in a process of its own, for SQLite is given another file system."""
    command = [sys.executable, "-m", "tests.faults.intake.cuts"]
    arguments = [str(home), str(size.requests), str(size.cuts)]
    done = subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
    found = msgspec.json.decode(done.stdout, type=Cuts)
    cells = {
        name.replace("_", " "): f"{value:,}"
        for name, value in msgspec.structs.asdict(found).items()
    }
    return cells, not (found.spoilt or found.missing or found.wrong)


def stormed(size: Size, home: Path) -> Line:
    """Everything comes up to 40 times."""
    found = run_storm(home, size.events)
    cells = {"events": f"{found.events:,}", "came": f"{found.sent:,}", **_wrong(found.wrong)}
    return cells, not found.wrong


def _wrong(wrong: Wrong) -> dict[str, str]:
    return {name: f"{number:,}" for name, number in asdict(wrong).items()}


STAGES: Final[Sequence[tuple[str, Callable[[Size, Path], Line]]]] = (
    *((f"kills on {log}", partial(killed, log)) for log in BROKERS),
    ("power cuts on SQLite", cut),
    ("duplicate storm", stormed),
)


def run_stages(only: Sequence[str], size: Size) -> bool:
    """Run those whose names have one of these words in them; whether all went well."""
    well, head = True, tuple[str, ...]()
    for name, stage in STAGES:
        if not any(word in name for word in only):
            continue
        with tempfile.TemporaryDirectory() as home:
            cells, holds = stage(size, Path(home))
        if head != tuple(cells):
            head = tuple(cells)
            say(line("stage", *head))
            say(line(*("---" for _ in ("stage", *head))))
        say(line(name, *cells.values()))
        well = well and holds
    return well


def line(*texts: str) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(texts)} |"
