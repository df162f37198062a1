"""The long proof: `python -m tests.faults.soak`, or `make soak`.

Every fault for 100,000 fetches, one after the other; prints the table of docs/reliability.md as it
grows, and ends with status 1 where an answer was wrong. `--only` takes the faults whose names have
one of some words in them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
from pathlib import Path

from tests.faults import breaking
from tests.faults.proxy import Kind, say
from tests.faults.stack import running_stack
from tests.faults.trial import EITHER, FALLEN, MODEL, Pace, Row, Trial, run_trial

SLOW, CRAWL, DRIP = 20.0, 300.0, 3.0
"""Milliseconds: an answer's delay within the deadline, one past it, and between two bytes."""

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
    Trial("new champions and catalogues", breaking.reloading),
)
WITH_SQLITE = (
    Trial(
        "SQLite: a writer stands still",
        breaking.sqlite_held("writing", "profiles.db", "profiles.pins.db"),
    ),
    Trial(
        "SQLite: no file can be read",
        breaking.sqlite_held("recovering", "profiles.db", "profiles.pins.db"),
        FALLEN,
    ),
)
WITH_INGEST = (Trial("ingest killed again and again", breaking.child_killed),)
WITH_WORKERS = (Trial("one of two workers killed", breaking.child_killed),)

GROUPS: tuple[tuple[tuple[Trial, ...], bool, dict[str, str]], ...] = (
    (WITH_REDIS, False, {}),
    (WITH_SQLITE, True, {}),
    (WITH_INGEST, True, {"HOMING_INGEST": "true"}),
    (WITH_WORKERS, False, {"HOMING_WORKERS": "2"}),
)
"""Trials of one scorer, whether its stores are SQLite files, and its other settings."""

HEAD = (
    "| fault | fetches | answered | wrong | rungs | p99 | worst, of the deadline | again on "
    "`model` | connections lost | threads | an idle process woke late |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(row: Row) -> str:
    """A trial in the table."""
    tally = row.tally
    asked = (
        tally.answered
        + tally.refused
        + sum(
            count for fault, count in tally.wrong.items() if fault.startswith(("blank", "status"))
        )
    )
    wrong = ", ".join(f"{fault}: {count:,}" for fault, count in tally.wrong.items()) or "0"
    rungs = ", ".join(f"{rung} {count / tally.answered:.0%}" for rung, count in tally.rungs.items())
    cells = (
        row.trial,
        f"{asked:,}",
        f"{tally.answered:,}",
        wrong,
        rungs,
        f"{1_000 * row.latency(0.99):.0f} ms",
        f"{1_000 * tally.over:+.0f} ms",
        f"{row.recovery:.1f} s",
        str(tally.lost),
        str(row.threads),
        f"{1_000 * row.noise[0]:.0f} ms",
    )
    return f"| {' | '.join(cells)} |"


async def _group(
    trials: tuple[Trial, ...], home: Path, pace: Pace, *, sqlite: bool, settings: dict[str, str]
) -> bool:
    """Whether all went well."""
    well = True
    with running_stack(home, sqlite=sqlite, **settings) as stack:
        for trial in trials:
            row = await run_trial(stack, trial, pace)
            say(line(row))
            for fault, example in row.tally.examples.items():
                sys.stderr.write(f"{trial.name}: {fault}: {example}\n")
            well = well and not row.tally.wrong
    return well


def main() -> int:
    """Run the trials; 1 where one found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetches", type=int, default=100_000, help="under each fault")
    parser.add_argument("--rate", type=float, default=400.0, help="fetches in a second")
    parser.add_argument("--only", nargs="*", default=[""], help="words of faults' names")
    given = parser.parse_args()
    gc.disable()  # a pause of ours is no answer's
    say(HEAD)
    well = True
    for trials, sqlite, settings in GROUPS:
        chosen = tuple(trial for trial in trials if any(word in trial.name for word in given.only))
        if chosen:
            with tempfile.TemporaryDirectory() as home:
                pace = Pace(given.rate, given.fetches)
                work = _group(chosen, Path(home), pace, sqlite=sqlite, settings=settings)
                well = asyncio.run(work) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
