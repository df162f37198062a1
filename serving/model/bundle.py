"""A trained model as data: a manifest and plain arrays, memory-mapped, checksummed, no pickle.

A bundle holds item-side arrays only. There is no customer in it, no customer's id, no customer's
vector: what it knows of people is what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import UNDECODABLE, BundleError, SettingsError
from serving.model.arrays import Array, check_array, read_arrays
from serving.model.folder import write_folder
from serving.model.manifest import (
    FORMAT,
    MANIFEST_FILE,
    DataFacts,
    Manifest,
    Param,
    Part,
    part_prefix,
)
from serving.model.weighting import Weighting

POPULARITY = "popularity"
"""The array that every bundle has: float32 (items,), how much each item is wanted by all."""
ITEM_IDS = "item_ids"
"""File of the item ids: their UTF-8 one after another, uint8."""
ITEM_ENDS = "item_ends"
"""File of where each item id ends in `ITEM_IDS`, int64 (items,)."""
MAX_MANIFEST = 1_000_000
"""Bytes."""


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

    def array(self, name: str, dtype: type[np.generic], axes: int) -> Array:
        """The array that a scorer needs.

        Raises:
            BundleError: It is missing, or of another dtype or number of axes.
        """
        array = self.arrays.get(name)
        if array is None or array.dtype != dtype or array.ndim != axes:
            what = f"{np.dtype(dtype).name} with {axes} axes"
            message = f"array {name}: {self.manifest.algorithm} needs it, {what}"
            raise BundleError(message)
        return array

    def part(self, number: int) -> Bundle:
        """One of the models that a blend is made of, as a bundle of its own; parts count from 0.

        It has the blend's popularity unless it brings its own.
        """
        part, prefix = self.manifest.parts[number], part_prefix(number)
        own = {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }
        manifest = msgspec.structs.replace(
            self.manifest,
            algorithm=part.algorithm,
            params=part.params,
            weighting=part.weighting,
            parts=(),
        )
        return Bundle(manifest, self.items, {POPULARITY: self.popularity, **own})

    def save(self, folder: Path) -> Manifest:
        """Write it as a folder, whole or not at all.

        Args:
            folder: Must not exist yet, or be an empty folder; its parent is made.

        Returns:
            The manifest as written, with every file's checksum.

        Raises:
            BundleError: The folder holds something already, or can't be written.
        """
        ids = [item.encode() for item in self.items]
        stored = {
            **self.arrays,
            ITEM_IDS: np.frombuffer(b"".join(ids), np.uint8),
            ITEM_ENDS: np.cumsum([len(text) for text in ids], dtype=np.int64),
        }
        return write_folder(folder, self.manifest, stored, "bundle")


def make_bundle(  # noqa: PLR0913 - the parts of a manifest, each named
    *,
    algorithm: str,
    params: Mapping[str, Param],
    weighting: Weighting,
    items: Sequence[str],
    arrays: Mapping[str, Array],
    data: DataFacts,
    created_at: datetime,
    metrics: Mapping[str, float] | None = None,
    parts: Sequence[Part] = (),
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
        parts: Of a blend.

    Raises:
        BundleError: An array is not finite, or does not fit the items.
    """
    manifest = Manifest(
        algorithm=algorithm,
        params=dict(params),
        weighting=weighting,
        items=len(items),
        data=data,
        metrics=dict(metrics or {}),
        parts=tuple(parts),
        created_at=created_at,
        homing=version("homing"),
    )
    bundle = Bundle(manifest, tuple(items), dict(arrays))
    check_bundle(bundle)
    return bundle


def check_bundle(bundle: Bundle) -> None:
    """Raise unless the arrays are finite and fit the items.

    Raises:
        BundleError: They are not, or do not; the message names the array.
    """
    count = bundle.manifest.items
    if len(bundle.items) != count or len(bundle.index) != count:
        message = f"{len(bundle.index)} distinct item ids for {count} items; each needs its own"
        raise BundleError(message)
    for name, array in bundle.arrays.items():
        check_array(name, array)
    popularity = bundle.arrays.get(POPULARITY)
    if popularity is None or popularity.dtype != np.float32 or popularity.shape != (count,):
        message = f"array {POPULARITY}: every bundle has it, float32 ({count},)"
        raise BundleError(message)


def load_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, memory-mapped, after every check.

    Raises:
        BundleError: A file is missing, truncated, longer than it should be, changed, of another
            dtype or shape, not finite, or lies outside the folder; the message names it.
    """
    manifest = read_manifest(folder)
    arrays = read_arrays(folder, manifest.arrays)
    try:
        items = _item_ids(arrays.pop(ITEM_IDS, None), arrays.pop(ITEM_ENDS, None))
        bundle = Bundle(manifest, items, arrays)
        check_bundle(bundle)
    except BundleError as error:
        message = f"{folder}: {error}"
        raise BundleError(message) from error
    return bundle


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder, without a look at the arrays.

    Raises:
        BundleError: It is missing, not a manifest, or of another format.
    """
    path = folder / MANIFEST_FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST + 1)
    except OSError as error:
        message = f"{path}: can't be read: {error.strerror}; is this the folder of a bundle?"
        raise BundleError(message) from error
    try:
        if len(text) <= MAX_MANIFEST and _format_of(text) == FORMAT:
            return msgspec.json.decode(text, type=Manifest)
    except (*UNDECODABLE, SettingsError) as error:
        message = f"{path}: not a manifest: {error}; fetch the bundle again"
        raise BundleError(message) from error
    message = f"{path}: not of format {FORMAT}, the one that this version of Homing reads"
    raise BundleError(message)


class _Head(msgspec.Struct):
    """What every format says first."""

    format: int


def _format_of(text: bytes) -> int:
    return msgspec.json.decode(text, type=_Head).format


def _item_ids(blob: Array | None, ends: Array | None) -> tuple[str, ...]:
    """The ids that two arrays spell."""
    if blob is None or ends is None or blob.dtype != np.uint8 or ends.dtype != np.int64:
        message = f"arrays {ITEM_IDS} uint8 and {ITEM_ENDS} int64 must both be there"
        raise BundleError(message)
    if blob.ndim != 1 or ends.ndim != 1:
        message = f"arrays {ITEM_IDS} and {ITEM_ENDS} have one axis"
        raise BundleError(message)
    bounds = [0, *ends.tolist()]
    if bounds[-1] != len(blob) or (np.diff(bounds) <= 0).any():
        message = f"array {ITEM_ENDS}: does not divide {ITEM_IDS} into ids"
        raise BundleError(message)
    text = blob.tobytes()
    try:
        return tuple(text[start:end].decode() for start, end in pairwise(bounds))
    except UnicodeDecodeError as error:
        message = f"array {ITEM_IDS}: not UTF-8: {error}"
        raise BundleError(message) from error
