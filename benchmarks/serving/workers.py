"""Two workers against one, on two cores that the load shares; and what the second adds."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import TIMES, Figure, at_least, at_most, plain
from benchmarks.serving.fetches import live_contestant, stored_contestant
from benchmarks.serving.servers import LOAD_CORE, SERVER_CORE, Server, scorer
from benchmarks.serving.shop import Shop
from benchmarks.serving.trials import SECONDS, WARM_SECONDS, Contestant, closed

RATIO: Final = 1.4
MEMORY: Final = 0.3
BOTH: Final = (SERVER_CORE, LOAD_CORE)


def measure_workers(shop: Shop, folder: Path) -> list[Figure]:  # noqa: ARG001 - as all are called
    """One and two side by side, asked in turns; and what memory each takes when it runs alone."""
    figures = []
    for name, (one, two) in _rates(shop).items():
        ratio = median(two) / median(one)
        figures.append(at_least(f"two workers / one, {name}", ratio, "ratio", RATIO))
    alone, both = (_memory(shop, workers) for workers in (1, 2))
    return [
        *figures,
        at_most("memory that the second worker adds", _added(alone[1], both[1]), "ratio", MEMORY),
        plain("the same before anything was asked", _added(alone[0], both[0]), "ratio"),
        plain("memory of one worker (PSS)", alone[1], "MiB"),
        plain("memory of two workers (PSS)", both[1], "MiB"),
    ]


def _rates(shop: Shop) -> dict[str, list[list[float]]]:
    """Answers a second of one worker and of two, of every turn."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(scorer(shop, BOTH, HOMING_WORKERS=str(workers)))
            for workers in (1, 2)
        ]
        rates: dict[str, list[list[float]]] = {"live": [[], []], "stored": [[], []]}
        asked = [_asked(server, shop) for server in servers]
        for name in rates:
            for contestants in asked:
                closed(contestants[name], WARM_SECONDS, cores=BOTH)
            for _ in range(TIMES):
                for place, contestants in enumerate(asked):
                    rates[name][place].append(closed(contestants[name], SECONDS, cores=BOTH).rate)
    return rates


def _memory(shop: Shop, workers: int) -> tuple[float, float]:
    """MiB of all processes at the start, and when they have answered for a while.

    Nothing else runs: another scorer of the same shop would share pages of its files, which then
    count half.
    """
    with scorer(shop, BOTH, HOMING_WORKERS=str(workers)) as server:
        at_start = server.memory()
        for contestant in _asked(server, shop).values():
            closed(contestant, TIMES * SECONDS, cores=BOTH)
        return at_start, server.memory()


def _asked(server: Server, shop: Shop) -> dict[str, Contestant]:
    return {"live": live_contestant(server, shop), "stored": stored_contestant(server, shop)}


def _added(one: float, two: float) -> float:
    """What two take above one, as a part of one."""
    return two / one - 1
