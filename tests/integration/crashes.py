"""A program that dies on purpose: it writes events, carries them on, and is killed meanwhile.

`python -m tests.integration.crashes FOLDER` forks one child a round. The child is killed with
SIGKILL as soon as it comes to one line: in the first rounds to each line of the consumer loop in
turn, then to lines of the stores and the lake, and at last at any moment. What the children leave
behind in FOLDER must be as if none had died; `test_kill.py` compares.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from features.clock import FixedClock
from features.event import Event, EventType
from features.ingest import Ingest
from features.lake import Lake
from features.logs import configure_logs
from features.stores.codec import encode_event
from features.stores.opening import open_log, open_stores

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WATCHED = ("features/ingest.py", "features/stores/", "features/lake.py")
TYPES = (EventType.VIEW, EventType.PURCHASE, EventType.RETURN, EventType.EMAIL_CLICK)
BATCH = 6
ELSEWHERE = 20
"""Lines outside the loop that are died at."""
MOMENTS = 8
"""Children that are killed by the clock."""

Line = tuple[str, int]


def event(number: int) -> Event:
    """The event of that number; some share a customer, an item or a second."""
    return Event(
        id=f"e-{number}",
        type=TYPES[number % 4],
        customer=f"ck_{number % 5:032x}",
        occurred_at=NOW - timedelta(seconds=7_001 * number % 90_000),
        item=f"item-{number % 11}",
    )


def bodies(batch: int) -> list[bytes]:
    """What one append brings: events, the first of them twice, and something that is none."""
    first = BATCH * batch
    events = [encode_event(event(number)) for number in range(first, first + BATCH)]
    return [*events, events[0], b"poison %d" % batch]


def write(folder: Path, batch: int) -> None:
    """Append a batch, and note that it was acknowledged."""
    log = open_log(f"sqlite:///{folder / 'events.db'}", FixedClock(NOW))
    log.append(bodies(batch))
    (folder / f"acknowledged-{batch}").touch()
    log.close()


def carry(folder: Path) -> None:
    """Carry on whatever waits, as the loop does."""
    log = open_log(f"sqlite:///{folder / 'events.db'}", FixedClock(NOW))
    stores = open_stores(f"sqlite:///{folder / 'profiles.db'}")
    ingest = Ingest(log, stores.profiles, Lake(str(folder / "lake")), FixedClock(NOW))
    while ingest.fold_once() + ingest.merge_once():
        ingest.trim()
    log.close()
    stores.close()


def watch(seen: Callable[[Line], None]) -> None:
    """Report every line of the watched files, in every thread, before it runs."""

    def within(frame: FrameType, what: str, _: Any) -> Any:  # noqa: ANN401 - as settrace has it
        if what == "line":
            seen((frame.f_code.co_filename, frame.f_lineno))
        return within

    def entered(frame: FrameType, _: str, __: Any) -> Any:  # noqa: ANN401 - as settrace has it
        watched = any(name in frame.f_code.co_filename for name in WATCHED)
        return within if watched else None

    threading.settrace(entered)
    sys.settrace(entered)


def lines_of(work: Callable[[], None], notes: Path) -> list[Line]:
    """The lines that a child comes to, in the order of their first time."""

    def rehearse() -> None:
        seen: dict[Line, None] = {}
        watch(seen.setdefault)
        work()
        sys.settrace(None)
        notes.write_text(json.dumps(list(seen)))

    ran(rehearse)
    return [(name, number) for name, number in json.loads(notes.read_text())]


def die_at(line: Line) -> None:
    """From now on, die on coming to this line."""

    def seen(here: Line) -> None:
        if here == line:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(seen)


def ran(work: Callable[[], None], line: Line | None = None, seconds: float | None = None) -> bool:
    """Do the work in a child, perhaps to be killed; whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            if line is not None:
                die_at(line)
            work()
        except BaseException as error:  # noqa: BLE001 - the parent counts it as a failure
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(1)
    return os.WIFEXITED(status)


def main(folder: Path) -> None:
    """Die and come back, over and over; say how often on the standard output."""
    configure_logs("error")
    random = Random(int(os.environ.get("HOMING_TEST_SEED", "7")))  # noqa: S311 - picks lines
    deaths = {"loop": 0, "elsewhere": 0, "writer": 0, "moment": 0}
    batch = 0

    def append() -> None:
        nonlocal batch
        while not (folder / f"acknowledged-{batch}").exists():
            line = random.choice(writers) if random.random() < 0.3 else None
            deaths["writer"] += not ran(lambda: write(folder, batch), line)
        batch += 1

    notes = folder / "lines.json"
    writers = lines_of(lambda: write(folder, 0), notes)
    append()
    lines_of(lambda: carry(folder), notes)  # makes the tables, which happens once
    append()
    lines = lines_of(lambda: carry(folder), notes)
    loop = [line for line in lines if line[0].endswith("ingest.py")]
    rest = [line for line in lines if line not in loop]
    for kind, chosen in (("loop", loop), ("elsewhere", random.sample(rest, ELSEWHERE))):
        for line in chosen:
            append()
            deaths[kind] += not ran(lambda: carry(folder), line)
    for _ in range(MOMENTS):
        append()
        deaths["moment"] += not ran(lambda: carry(folder), None, random.uniform(0, 0.15))
    ran(lambda: carry(folder))
    sys.stdout.write(json.dumps({"batches": batch, "loop_lines": len(loop), **deaths}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
