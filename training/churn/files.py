"""A churn model as a folder: `manifest.json` and `.npy` files, checked on reading.

Nothing in it is code and nothing is executed by loading it: numbers are read by
`np.load(allow_pickle=False)` and must fit the manifest's checksums, types and shapes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from features.errors import UNDECODABLE, BundleError, ForeignBundle
from serving.model.arrays import read_arrays
from serving.model.folder import write_folder
from serving.model.manifest import MANIFEST_FILE
from training.churn.calibrate import Calibration
from training.churn.cores import open_core
from training.churn.model import FORMAT, ChurnManifest, ChurnModel
from training.churn.rhythm import RHYTHM

MAX_MANIFEST = 1 << 20
"""Bytes; more is no manifest of ours."""


def save_model(model: ChurnModel, folder: Path) -> ChurnManifest:
    """Write a model as a folder, whole or not at all.

    Args:
        model: Any.
        folder: Must not exist yet, or be empty; its parent is made.

    Returns:
        The manifest as written, with every file's checksum.

    Raises:
        BundleError: The folder holds something already, or can't be written.
    """
    return write_folder(folder, model.manifest, model.core.arrays(), "churn model")


def load_model(folder: Path) -> ChurnModel:
    """The model in a folder, after every check.

    Raises:
        BundleError: A file is missing, changed, truncated or malformed; the message names it.
        ForeignBundle: Another version of Homing made it, and this one can't read it.
    """
    path = folder / MANIFEST_FILE
    try:
        if path.stat().st_size > MAX_MANIFEST:
            message = f"{path}: longer than {MAX_MANIFEST} bytes: not a manifest of a churn model"
            raise BundleError(message)
        manifest = msgspec.json.decode(path.read_bytes(), type=ChurnManifest)
    except OSError as error:
        message = f"{path}: can't be read: {error.strerror}; is this the folder of a churn model?"
        raise BundleError(message) from error
    except msgspec.ValidationError as error:
        message = f"{path}: not of the form that this version of Homing reads: {error}"
        raise ForeignBundle(message) from error
    except UNDECODABLE as error:
        message = f"{path}: not a manifest of a churn model: {error}; fetch it again"
        raise BundleError(message) from error
    if manifest.format != FORMAT:
        message = f"{path}: of format {manifest.format}; this version of Homing reads {FORMAT}"
        raise ForeignBundle(message)
    _check_calibration(path, manifest.calibration)
    _check_rhythm(path, manifest)
    try:
        arrays = read_arrays(folder, manifest.arrays)
    except BundleError as error:
        message = f"{folder}: {error}"
        raise BundleError(message) from error
    try:
        core = open_core(manifest.algorithm, arrays, len(manifest.columns))
    except BundleError as error:
        message = f"{folder}: {error}"
        raise ForeignBundle(message) from error
    return ChurnModel(manifest, core)


def _check_calibration(path: Path, calibration: Calibration) -> None:
    x, y = calibration.x, calibration.y
    fits = {
        "none": not x and not y,
        "sigmoid": len(x) == len(y) == 1,
        "isotonic": len(x) == len(y) > 0 and list(x) == sorted(x),
    }
    if not fits[calibration.kind]:
        message = f"{path}: calibration {calibration.kind} has other numbers than it needs"
        raise BundleError(message)


def _check_rhythm(path: Path, manifest: ChurnManifest) -> None:
    if manifest.bgnbd is None:
        return
    missing = set(RHYTHM) - set(manifest.features)
    if missing or min(msgspec.structs.astuple(manifest.bgnbd)) <= 0:
        message = f"{path}: BG/NBD needs the features {', '.join(RHYTHM)} and positive parameters"
        raise BundleError(message)
