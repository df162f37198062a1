"""Two workers against one, on two cores that the load shares; and what the second adds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import TIMES, Figure, at_least, at_most, plain
from benchmarks.serving.fetches import live_contestant, stored_contestant
from benchmarks.serving.servers import LOAD_CORE, SERVER_CORE, scorer
from benchmarks.serving.shop import Shop
from benchmarks.serving.trials import SECONDS, WARM_SECONDS, closed

RATIO: Final = 1.4
MEMORY: Final = 0.3
BOTH: Final = (SERVER_CORE, LOAD_CORE)


def measure_workers(shop: Shop, folder: Path) -> list[Figure]:  # noqa: ARG001 - as all are called
    """One and two side by side, asked in turns; memory when both have answered everything."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(scorer(shop, BOTH, HOMING_WORKERS=str(workers)))
            for workers in (1, 2)
        ]
        at_start = [server.memory() for server in servers]
        rates: dict[str, list[list[float]]] = {"live": [[], []], "stored": [[], []]}
        asked = [
            {"live": live_contestant(server, shop), "stored": stored_contestant(server, shop)}
            for server in servers
        ]
        for name in rates:
            for contestants in asked:
                closed(contestants[name], WARM_SECONDS, cores=BOTH)
            for _ in range(TIMES):
                for place, contestants in enumerate(asked):
                    rates[name][place].append(closed(contestants[name], SECONDS, cores=BOTH).rate)
        memory = [server.memory() for server in servers]
    figures = []
    for name, (one, two) in rates.items():
        ratio = median(two) / median(one)
        figures.append(at_least(f"two workers / one, {name}", ratio, "ratio", RATIO))
    return [
        *figures,
        at_most("memory that the second worker adds", _added(memory), "ratio", MEMORY),
        plain("the same before anything was asked", _added(at_start), "ratio"),
        plain("memory of one worker (PSS)", memory[0], "MiB"),
        plain("memory of two workers (PSS)", memory[1], "MiB"),
    ]


def _added(memory: Sequence[float]) -> float:
    """What two take above one, as a part of one."""
    one, two = memory
    return two / one - 1
