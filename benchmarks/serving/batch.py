"""Many customers at once: customers a second against implicit's own batch `recommend`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, at_least, plain
from benchmarks.serving.servers import SERVER_CORE, pinned
from benchmarks.serving.shop import Shop
from benchmarks.stages import run_stage

RATIO: Final = 0.9


def measure_batch(shop: Shop, folder: Path) -> list[Figure]:  # noqa: ARG001 - as all are called
    """Filters and rules are included in ours; implicit leaves out what a customer has, alone."""
    with pinned(SERVER_CORE):
        stage, _ = run_stage("serving.batch_stages", "batch", str(shop.home))
    rates = stage.extra
    post = rates["post"] / rates["implicit"]
    publish = rates["publish"] / rates["implicit, as deep as published"]
    return [
        at_least("batch of POST / implicit's recommend", post, "ratio", RATIO),
        at_least("slates of publish / implicit's recommend", publish, "ratio", RATIO),
        *(plain(f"batch: {name}", rate, "customers/s") for name, rate in rates.items()),
    ]
