"""The manifest of a bundle: what it is, what it was made of, and what each file must be."""

from __future__ import annotations

from datetime import datetime

import msgspec

from serving.model.weighting import Weighting

FORMAT = 1
"""The version of the folder's layout that this code writes and reads."""
MANIFEST_FILE = "manifest.json"


Param = float | int | str | bool | None
"""A parameter of a fit."""


class ArrayFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `.npy` file.

    Attributes:
        file: Its name inside the folder.
        dtype: NumPy's name, like `float32`.
        shape: Lengths of its axes.
        bytes: Length of the file.
        sha256: Of the file, hex digits.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    sha256: str


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The data that a model was fitted on; counts and a checksum, never a customer.

    Attributes:
        as_of: Only events strictly before it were read; aware, UTC.
        lake_version: The version of the lake's events table; None when not from a lake.
        events: Events that carried a weight.
        customers: Customers with at least one item.
        items: Items with at least one customer.
        interactions: Cells of the matrix that are not empty.
        checksum: SHA-256 of the matrix and its item ids, hex digits.
    """

    as_of: datetime
    lake_version: int | None = None
    events: int
    customers: int
    items: int
    interactions: int
    checksum: str


class Say(msgspec.Struct, frozen=True):
    """What a part counts in a blend.

    Attributes:
        weight: Its scores.
        root: Their square roots.
    """

    weight: float = 0.0
    root: float = 0.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One of the models that a blend is made of.

    Attributes:
        algorithm: Its name.
        params: The parameters of its fit.
        weighting: Turns a history into its basket.
        new: What it counts among items that the customer does not have.
        again: What it counts among those that the customer has.
    """

    algorithm: str
    params: dict[str, Param]
    weighting: Weighting
    new: Say = Say()
    again: Say = Say()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself.

    Attributes:
        format: `FORMAT`.
        algorithm: Its name, a key of `serving.model.scoring.SCORERS` or `blend`.
        params: The parameters of the fit.
        weighting: Turns a history into a basket, in training and in serving alike.
        items: How many items it ranks.
        arrays: Array name → its file.
        parts: Of a blend; their arrays bear the prefix of `part_prefix`.
        data: What it was fitted on.
        metrics: Metric name → value on held-out time, when it was judged.
        created_at: Aware, UTC.
        homing: Version of Homing that made it.
    """

    format: int = FORMAT
    algorithm: str
    params: dict[str, Param]
    weighting: Weighting
    items: int
    arrays: dict[str, ArrayFile] = {}
    parts: tuple[Part, ...] = ()
    data: DataFacts
    metrics: dict[str, float] = {}
    created_at: datetime
    homing: str


def part_prefix(number: int) -> str:
    """How the names of the arrays of a blend's part begin; parts count from 0."""
    return f"part{number}_"
