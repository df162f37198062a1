"""How long a scorer takes from its local copy until it is ready."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, at_most, median_of
from benchmarks.serving.servers import LOAD_CORE, SERVER_CORE, scorer
from benchmarks.serving.shop import Shop

SECONDS: Final = 3.0


def measure_start(shop: Shop, folder: Path) -> list[Figure]:  # noqa: ARG001 - as all are called
    """From the start of the process until `/readyz` answers 200; Python's own start included."""
    _began(shop)  # leaves the local copies
    taken = median_of(lambda: _began(shop))
    return [at_most("start to ready, from local copies", taken, "s", SECONDS)]


def _began(shop: Shop) -> float:
    with scorer(shop, (SERVER_CORE, LOAD_CORE)) as server:
        return server.began
