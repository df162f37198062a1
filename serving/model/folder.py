"""A model as a folder: arrays, and a manifest that holds their checksums; whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from features.errors import BundleError
from serving.model.arrays import Array, write_array
from serving.model.manifest import MANIFEST_FILE

AnyManifest = TypeVar("AnyManifest", bound=msgspec.Struct)


def write_folder(
    folder: Path, manifest: AnyManifest, arrays: Mapping[str, Array], what: str
) -> AnyManifest:
    """Write a model; durable on return.

    Args:
        folder: Must not exist yet, or be an empty folder; its parent is made.
        manifest: Has a field `arrays` for what is said of each file.
        arrays: Name → array.
        what: The model as messages call it, like `bundle`.

    Returns:
        The manifest as written, with every file's checksum.

    Raises:
        BundleError: The folder holds something already, or can't be written; or an array may not
            be part of a model.
    """
    aside = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    try:
        aside.mkdir(parents=True)
        files = {name: write_array(aside, name, array) for name, array in arrays.items()}
        written = msgspec.structs.replace(manifest, arrays=files)
        with (aside / MANIFEST_FILE).open("xb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(written, order="sorted")))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(folder)
    except OSError as error:
        message = f"{what} {folder} can't be written: {error.strerror}; give an empty folder"
        raise BundleError(message) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return written
