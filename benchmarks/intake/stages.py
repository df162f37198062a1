"""Work on events without HTTP, each stage in a process of its own.

`python -m benchmarks.intake.stages STAGE ARGUMENT…` does it and prints what it measured as JSON.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import seconds
from benchmarks.intake.batches import BATCH, BATCHES
from benchmarks.intake.forgeries import forgeries
from benchmarks.intake.importing import import_rows, make_rows, write_rows
from benchmarks.intake.made import batch, kept
from benchmarks.intake.through import feed, through
from benchmarks.stages import Stage, main
from features.clock import SystemClock
from features.errors import Unauthenticated
from features.logs import configure_logs
from features.stores.codec import dated
from features.stores.sqlite_file import PAGE_BYTES
from features.stores.sqlite_log import SCHEMA

EACH: Final = 200
"""How often a check is done in a turn."""
TURNS: Final = 11
"""Their median counts: what a neighbour on the same processor holds up is one turn or another."""


def bare_stage(file: str, length: str) -> Stage:
    """SQLite alone inserts the bytes that the log keeps, each batch durable before the next."""
    now = SystemClock().now()
    accepted = round(now.timestamp() * 1e6)
    batches = [
        [(dated(body, accepted),) for body in kept(batch(number * BATCH, BATCH, now), now)]
        for number in range(BATCHES)
    ]
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
        rows, spent, began = 0, 0.0, time.perf_counter()
        for bodies in cycle(batches):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entries (body) VALUES (?)", bodies)
            connection.execute("COMMIT")
            rows += len(bodies)
            spent = time.perf_counter() - began
            if spent >= float(length):
                break
    return Stage(spent, {"rate": rows / spent})


def verify_stage(each: str) -> Stage:
    """Microseconds of processor time in which each built-in source refuses a forged delivery.

    Args:
        each: How many secrets a source has.
    """
    configure_logs("error")
    now, took = SystemClock().now(), {}
    began = time.perf_counter()
    for name, source, delivery in forgeries(now, int(each)):

        def refuse(verify: Callable[..., object] = source.verify, given: object = delivery) -> None:
            try:
                verify(given, now)
            except Unauthenticated:
                return
            message = "a forged delivery was not refused"
            raise AssertionError(message)

        turns = [busy_us(refuse) for _ in range(TURNS)]
        took[name] = median(turns[1:])  # the first warms up
    return Stage(time.perf_counter() - began, took)


def busy_us(step: Callable[[], None]) -> float:
    """Microseconds of processor time in which a step is done, on average of a turn."""
    busy = time.process_time()
    for _ in range(EACH):
        step()
    return 1e6 * (time.process_time() - busy) / EACH


def feed_stage(home: str, events: str) -> Stage:
    """Fill a log with events."""
    return Stage(seconds(lambda: feed(Path(home), int(events))))


def loop_stage(home: str, events: str) -> Stage:
    """Bring the events of a full log through the ingest loop into profiles and the lake."""
    configure_logs("error")
    return through(Path(home), int(events))


STAGES: Final[dict[str, Callable[..., Stage]]] = {
    "bare": bare_stage,
    "verify": verify_stage,
    "feed": feed_stage,
    "loop": loop_stage,
    "make": make_rows,
    "import": import_rows,
    "write": write_rows,
}


if __name__ == "__main__":
    main(STAGES)
