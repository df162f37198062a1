"""A trained model as data: a manifest and plain arrays, memory-mapped, checksummed, no pickle.

A bundle holds item-side arrays only. There is no customer in it, no customer's id, no customer's
vector: what it knows of people is what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.model.manifest import DataFacts, Manifest
from serving.model.weighting import Weighting

POPULARITY = "popularity"
"""The array that every bundle has: float32 (items,), how much each item is wanted by all."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model.

    Attributes:
        manifest: What it says of itself.
        items: Item id of each row, unique.
        arrays: Array name → array; read-only. `POPULARITY` is always there.
    """

    manifest: Manifest
    items: tuple[str, ...]
    arrays: Mapping[str, Array]

    @cached_property
    def index(self) -> dict[str, int]:
        """Item id → row."""
        return {item: row for row, item in enumerate(self.items)}

    @property
    def popularity(self) -> NDArray[np.float32]:
        """How much each item is wanted by all, (items,)."""
        return self.arrays[POPULARITY]

    def save(self, folder: Path) -> Manifest:
        """Write it as a folder, whole or not at all.

        Args:
            folder: Must not exist yet, or be an empty folder; its parent is made.

        Returns:
            The manifest as written, with every file's checksum.

        Raises:
            BundleError: The folder holds something already, or can't be written.
        """
        raise NotImplementedError


def make_bundle(  # noqa: PLR0913 - the parts of a manifest, each named
    *,
    algorithm: str,
    params: Mapping[str, float | int | str | bool | None],
    weighting: Weighting,
    items: Sequence[str],
    arrays: Mapping[str, Array],
    data: DataFacts,
    created_at: datetime,
    metrics: Mapping[str, float] | None = None,
) -> Bundle:
    """A bundle from the results of a fit.

    Args:
        algorithm: Its name.
        params: Parameters of the fit.
        weighting: How histories were weighed.
        items: Item id of each row.
        arrays: Must have `POPULARITY`, float32 (items,).
        data: What it was fitted on.
        created_at: Aware, UTC.
        metrics: On held-out time, when already judged.

    Raises:
        BundleError: An array is not finite, or does not fit the items.
    """
    raise NotImplementedError


def load_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, memory-mapped, after every check.

    Raises:
        BundleError: A file is missing, truncated, longer than it should be, changed, of another
            dtype or shape, not finite, or lies outside the folder; the message names it.
    """
    raise NotImplementedError
