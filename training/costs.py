"""What making a model took: logged with its run, so that versions and candidates compare."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final

from serving.model.manifest import ArrayFile

COST: Final = "cost/"
"""How the names of these metrics begin."""


def costs_of(arrays: Mapping[str, ArrayFile], rows: int, fit_seconds: float) -> dict[str, float]:
    """Metrics of what a model took.

    Args:
        arrays: Of its manifest, as written.
        rows: What the fit read: cells of the matrix, or customers at moments.
        fit_seconds: The fit alone, without choosing and judging.

    Returns:
        `cost/fit_seconds`, `cost/rows`, `cost/parameters` (numbers in its arrays) and
        `cost/bundle_bytes`.
    """
    return {
        f"{COST}fit_seconds": fit_seconds,
        f"{COST}rows": float(rows),
        f"{COST}parameters": float(sum(prod(one.shape) for one in arrays.values())),
        f"{COST}bundle_bytes": float(sum(one.bytes for one in arrays.values())),
    }
