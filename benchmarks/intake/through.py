"""The ingest loop on a log that is full: how many events a second, from the first to the last."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.intake.made import SECRET, batch, kept
from benchmarks.stages import Stage
from features.clock import SystemClock
from features.ingest import LAKE, PROFILES, run_ingest
from features.settings import Settings
from features.stores.opening import open_log
from features.stores.ports import EventLog

CHUNK: Final = 1_000
PARTS: Final = 10
LOOK_SECONDS: Final = 0.05
_MIB: Final = 1024


def settings_of(home: Path) -> Settings:
    """Settings of the loop."""
    return Settings(home=home, secret=SECRET)


def feed(home: Path, events: int) -> None:
    """Fill the log; as of live traffic, an hour of it."""
    now = SystemClock().now()
    url = settings_of(home).resolved_log_url()
    with closing(open_log(url, max_depth=2 * events + CHUNK)) as log:
        log.take(PROFILES, 1)
        log.take(LAKE, 1)
        for first in range(0, events, CHUNK):
            at = now - timedelta(hours=1) * (1 - first / events)
            log.append(kept(batch(first, min(CHUNK, events - first), at), now))


def through(home: Path, events: int) -> Stage:
    """Run the loop until both readers have got everything.

    Returns:
        How many events a second: in all, in the first tenth and in the last; and the memory of
        the process, MiB, after two tenths and at the end.
    """
    settings, stop = settings_of(home), threading.Event()
    running = threading.Thread(target=run_ingest, args=(settings, stop))
    busy, began = time.process_time(), time.perf_counter()
    running.start()
    try:
        with closing(open_log(settings.resolved_log_url())) as log:
            moments, memory = _watched(log, events, began)
    finally:
        stop.set()
        running.join()
    part = events / PARTS
    steps = [later - sooner for sooner, later in zip([0.0, *moments], moments, strict=False)]
    return Stage(
        moments[-1],
        {
            "rate": events / moments[-1],
            "first": part / steps[0],
            "last": part / steps[-1],
            "early": memory[1],
            "late": memory[-1],
            "processor": 1e6 * (time.process_time() - busy) / events,
        },
    )


def _watched(log: EventLog, events: int, began: float) -> tuple[Sequence[float], Sequence[float]]:
    """When each tenth was through, seconds since the start, and the memory then."""
    moments: list[float] = []
    memory: list[float] = []
    while len(moments) < PARTS:
        passed = events - max(log.depth(PROFILES), log.depth(LAKE))
        while len(moments) < PARTS and passed >= (len(moments) + 1) * events / PARTS:
            moments.append(time.perf_counter() - began)
            memory.append(_resident())
        time.sleep(LOOK_SECONDS)
    return moments, memory


def _resident() -> float:
    """Memory of this process now, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(found) / _MIB
