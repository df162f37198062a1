"""One array as one `.npy` file: written durably, read back only when every byte is right."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.manifest import ArrayFile

Array = NDArray[Any]

DTYPES = frozenset({"float32", "float64", "int32", "int64", "uint8"})
"""All that a bundle may hold; native byte order."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def check_array(name: str, array: Array) -> None:
    """Raise unless an array may be part of a bundle.

    Raises:
        BundleError: Its name is no plain word, its dtype is not in `DTYPES`, or it is not finite.
    """
    if _NAME.fullmatch(name) is None:
        message = f"array {name!r}: a name has lower-case letters, digits and _"
        raise BundleError(message)
    if array.dtype.name not in DTYPES or not array.dtype.isnative:
        message = f"array {name}: dtype {array.dtype.str} can't be stored; use {sorted(DTYPES)}"
        raise BundleError(message)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        message = f"array {name}: holds NaN or infinity; fit again with other parameters"
        raise BundleError(message)


def write_array(folder: Path, name: str, array: Array) -> ArrayFile:
    """Write an array to `folder/name.npy` and return once it is on the disk.

    Raises:
        BundleError: As `check_array`.
        OSError: The file can't be written.
    """
    check_array(name, array)
    path = folder / f"{name}.npy"
    with path.open("xb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return ArrayFile(
        file=path.name,
        dtype=array.dtype.name,
        shape=array.shape,
        bytes=path.stat().st_size,
        sha256=_digest(path),
    )


def read_arrays(folder: Path, files: Mapping[str, ArrayFile]) -> dict[str, Array]:
    """Every array of a manifest, memory-mapped read-only.

    Raises:
        BundleError: A file is not what the manifest says; the message names it.
    """
    return {name: _read_array(folder, name, said) for name, said in files.items()}


def _read_array(folder: Path, name: str, said: ArrayFile) -> Array:
    if _NAME.fullmatch(name) is None or said.file != f"{name}.npy":
        message = f"{folder}: array {name!r} in file {said.file!r}: a file is named for its array"
        raise BundleError(message)
    path = folder / said.file
    _check_file(path, said)
    try:
        # A map of nothing is refused by the system; an empty array is read instead.
        empty = 0 in said.shape
        array = np.asarray(np.load(path, mmap_mode=None if empty else "r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        message = f"{path}: not a plain .npy array ({error}); fetch the bundle again"
        raise BundleError(message) from error
    if (array.dtype.name, array.shape) != (said.dtype, said.shape):
        message = (
            f"{path}: holds {array.dtype.name} {array.shape} and the manifest says "
            f"{said.dtype} {said.shape}; fetch the bundle again"
        )
        raise BundleError(message)
    try:
        check_array(name, array)
    except BundleError as error:
        message = f"{path}: {error}"
        raise BundleError(message) from error
    return array


def _check_file(path: Path, said: ArrayFile) -> None:
    """Raise unless a plain file of that length and checksum is there."""
    if path.is_symlink() or not path.is_file():
        message = f"{path}: no such file in the bundle; fetch the bundle again"
        raise BundleError(message)
    size = path.stat().st_size
    if size != said.bytes:
        how = "truncated" if size < said.bytes else "too long"
        message = f"{path}: {how}: {size} bytes, not {said.bytes}; fetch the bundle again"
        raise BundleError(message)
    digest = _digest(path)
    if digest != said.sha256:
        message = f"{path}: SHA-256 is {digest}, not {said.sha256}; fetch the bundle again"
        raise BundleError(message)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
