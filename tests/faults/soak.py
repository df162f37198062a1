"""The long proof: `python -m tests.faults.soak`, or `make soak`.

Every fault for 100,000 fetches, one after the other, and then what events may meet on their way:
300 kills on each event log, power cuts, a duplicate storm. Prints the tables of docs/reliability.md
as they grow, and ends with status 1 where something was wrong. `--only` takes what has one of some
words in its name.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.faults import breaking
from tests.faults.intake.soak import STAGES, Size, line, run_stages
from tests.faults.proxy import Kind, say
from tests.faults.stack import running_stack
from tests.faults.trial import EITHER, FALLEN, MODEL, Pace, Row, Trial, run_trial

SLOW, CRAWL, DRIP = 20.0, 300.0, 3.0
"""Milliseconds: an answer's delay within the deadline, one past it, and between two bytes."""

OWN_DEADLINE_MS = 50
"""Of one fetch in ten."""

WITH_REDIS = (
    Trial("Redis refuses", breaking.of_store(Kind.REFUSE), FALLEN),
    Trial("Redis hangs", breaking.of_store(Kind.HANG), FALLEN),
    Trial("Redis 20 ms late", breaking.of_store(Kind.SLOW, SLOW), MODEL),
    Trial("Redis 300 ms late", breaking.of_store(Kind.SLOW, CRAWL), EITHER),
    Trial("Redis cut in the middle", breaking.of_store(Kind.CUT), EITHER),
    Trial("Redis answers garbage", breaking.of_store(Kind.GARBAGE), FALLEN),
    Trial("Redis drips", breaking.of_store(Kind.DRIP, DRIP), EITHER),
    Trial("Redis, any of these in turn", breaking.flapping, EITHER),
    Trial("redis-server stands still", breaking.redis_stopped, FALLEN),
    Trial("redis-server killed again and again", breaking.redis_killed, EITHER),
    Trial("MLflow refuses", breaking.of_registry(Kind.REFUSE)),
    Trial("MLflow hangs", breaking.of_registry(Kind.HANG)),
    Trial("MLflow 300 ms late", breaking.of_registry(Kind.SLOW, CRAWL)),
    Trial("MLflow cut in the middle", breaking.of_registry(Kind.CUT)),
    Trial("MLflow answers garbage", breaking.of_registry(Kind.GARBAGE)),
    Trial("MLflow drips", breaking.of_registry(Kind.DRIP, DRIP)),
    Trial("MLflow killed again and again", breaking.registry_killed),
    Trial("scorer started while Redis hangs", breaking.begun_without_store, FALLEN, 1.0, cold=True),
    Trial("new champions and catalogues", breaking.reloading),
)
WITH_SQLITE = (
    Trial(
        "SQLite: a writer stands still",
        breaking.sqlite_held("writing", "profiles.db", "profiles.pins.db"),
        EITHER,
    ),
    Trial(
        "SQLite: no file can be read",
        breaking.sqlite_held("recovering", "profiles.db", "profiles.pins.db"),
        FALLEN,
    ),
    Trial("the scorer's disk is full", breaking.no_file_grows, EITHER),
)
WITH_INGEST = (Trial("ingest killed again and again", breaking.child_killed),)
WITH_WORKERS = (
    Trial(
        "one of two workers killed, again and again",
        breaking.child_killed,
        # What a worker could not bring to the store in time dies with it.
        owned_up=frozenset({"differed", "repeated in another block"}),
    ),
)


class Group(NamedTuple):
    """Trials of one scorer.

    Attributes:
        trials: In their order.
        redis: Whether its profiles are in Redis.
        registry: Whether there is an MLflow.
        settings: Of the scorer.
    """

    trials: tuple[Trial, ...]
    redis: bool = False
    registry: bool = False
    settings: Mapping[str, str] = {}


GROUPS = (
    Group(WITH_REDIS, redis=True, registry=True),
    Group(WITH_SQLITE),
    Group(WITH_INGEST, settings={"HOMING_INGEST": "true"}),
    Group(WITH_WORKERS, redis=True, settings={"HOMING_WORKERS": "2"}),
)

HEAD = (
    "fault", "fetches", "answered", "short", "differed", "wrong otherwise", "rungs", "in a hurry",
    "p99", "worst, of the deadline", "late for want of a core", "again on `model`",
    "connections lost", "threads", "memory", "waited for a core", "an idle process woke late",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """A trial in the table, in the order of `HEAD`."""
    tally, wrong = row.tally, dict(row.wrong)
    late = len(tally.late) - wrong.get("late", 0)
    blank = sum(n for fault, n in wrong.items() if fault.startswith(("blank", "status")))
    rungs = [f"{rung} {count / tally.answered:.0%}" for rung, count in tally.rungs.most_common()]
    return (
        row.trial,
        f"{tally.answered + tally.refused + blank:,}",
        f"{tally.answered:,}",
        f"{wrong.pop('short', 0):,}",
        f"{wrong.pop('differed', 0):,}",
        ", ".join(f"{fault} {count:,}" for fault, count in wrong.items()) or "0",
        ", ".join(rungs),
        f"{tally.hurried:,}",
        f"{1_000 * row.latency(0.99):.0f} ms",
        f"{1_000 * tally.over:+.0f} ms",
        f"{late:,}",
        f"{row.recovery:.1f} s",
        str(tally.lost),
        str(row.threads),
        f"{row.memory / 1e6:.0f} MB",
        f"{1_000 * row.waited:.0f} ms",
        f"{1_000 * row.noise:.0f} ms",
    )


async def _run(group: Group, home: Path, pace: Pace) -> bool:
    """Whether all went well."""
    well = True
    with running_stack(
        home, redis=group.redis, registry=group.registry, settings=group.settings
    ) as stack:
        for trial in group.trials:
            row = await run_trial(stack, trial, pace)
            say(line(*cells(row)))
            for fault, example in row.tally.examples.items():
                sys.stderr.write(f"{trial.name}: {fault}: {example}\n")
            well = well and row.holds
    return well


def main() -> int:
    """Run the trials; 1 where one found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetches", type=int, default=100_000, help="under each fault")
    parser.add_argument("--rate", type=float, default=400.0, help="fetches in a second")
    parser.add_argument("--kills", type=int, default=Size().kills, help="on each event log")
    parser.add_argument("--requests", type=int, default=Size().requests, help="before power cuts")
    parser.add_argument("--cuts", type=int, default=Size().cuts, help="of the power")
    parser.add_argument("--events", type=int, default=Size().events, help="of the duplicate storm")
    parser.add_argument("--only", nargs="*", default=[""], help="words of names")
    given = parser.parse_args()
    names = [trial.name for group in GROUPS for trial in group.trials] + [it for it, _ in STAGES]
    for word in given.only:
        if not any(word in name for name in names):
            parser.error(f"--only: nothing has {word!r} in its name: {', '.join(names)}")
    well = _run_faults(given.only, Pace(given.rate, given.fetches, own_deadline_ms=OWN_DEADLINE_MS))
    size = Size(given.kills, given.requests, given.cuts, given.events)
    return 0 if run_stages(given.only, size) and well else 1


def _run_faults(only: Sequence[str], pace: Pace) -> bool:
    """Whether all answers were right."""
    well, begun = True, False
    gc.disable()  # a pause of ours is no answer's
    for group in GROUPS:
        chosen = tuple(t for t in group.trials if any(word in t.name for word in only))
        if not chosen:
            continue
        if not begun:
            say(line(*HEAD))
            say(line(*("---" for _ in HEAD)))
            begun = True
        with tempfile.TemporaryDirectory() as home:
            work = _run(group._replace(trials=chosen), Path(home), pace)
            well = asyncio.run(work) and well
    gc.enable()
    return well


if __name__ == "__main__":
    sys.exit(main())
