from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from serving.model.arrays import Array
from serving.model.bundle import POPULARITY, check_bundle, load_bundle, read_manifest
from serving.model.manifest import FORMAT, MANIFEST_FILE
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import bundle_of

EXTRA = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound bundle."""
    bundle_of(arrays={"factors": EXTRA}).save(tmp_path / "1")
    return tmp_path / "1"


def test_a_bundle_comes_back_as_it_was_saved(folder: Path) -> None:
    saved, loaded = bundle_of(params={"alpha": 1.5}, arrays={"factors": EXTRA}), load_bundle(folder)
    assert loaded.items == saved.items
    assert loaded.index["crème"] == 2
    assert set(loaded.arrays) == set(saved.arrays)
    assert loaded.arrays["factors"].tolist() == EXTRA.tolist()
    assert loaded.manifest.weighting == Weighting(half_life_days=None)
    assert loaded.manifest.data == saved.manifest.data


def test_arrays_are_mapped_and_can_not_be_written_to(folder: Path) -> None:
    array = load_bundle(folder).arrays["factors"]
    assert isinstance(array.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1.0


def test_an_empty_array_is_stored_too(tmp_path: Path) -> None:
    bundle_of(arrays={"neighbours": np.empty(0, np.int32)}).save(tmp_path / "1")
    assert load_bundle(tmp_path / "1").arrays["neighbours"].shape == (0,)


def test_saving_returns_the_manifest_that_is_on_the_disk(tmp_path: Path) -> None:
    manifest = bundle_of().save(tmp_path / "1")
    assert manifest == read_manifest(tmp_path / "1")
    assert manifest.arrays[POPULARITY].shape == (3,)


def test_a_folder_that_holds_something_is_left_alone(folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(BundleError, match="can't be written"):
        bundle_of().save(folder)
    assert sorted(folder.iterdir()) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_a_bundle_that_can_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(BundleError, match="No space left"):
        bundle_of().save(tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_a_byte_more_or_less_is_refused_by_file(folder: Path) -> None:
    path = folder / "factors.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(BundleError, match=r"factors\.npy: truncated"):
        load_bundle(folder)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BundleError, match=r"factors\.npy: too long"):
        load_bundle(folder)


def test_a_changed_byte_is_refused_by_file(folder: Path) -> None:
    path = folder / "popularity.npy"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(BundleError, match=r"popularity\.npy: SHA-256"):
        load_bundle(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "factors.npy").unlink()
    with pytest.raises(BundleError, match=r"factors\.npy: no such file"):
        load_bundle(folder)


def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    inside = folder / "factors.npy"
    inside.rename(folder.parent / "elsewhere.npy")
    inside.symlink_to(folder.parent / "elsewhere.npy")
    with pytest.raises(BundleError, match=r"factors\.npy: no such file"):
        load_bundle(folder)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=MANIFEST_FILE):
        load_bundle(tmp_path)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"format": 1}', b"\xff", b'{"format": "x"}'])
def test_what_is_no_manifest_is_refused(folder: Path, text: bytes) -> None:
    (folder / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(BundleError, match="not a manifest"):
        load_bundle(folder)


def test_a_weighting_that_cannot_be_used_is_no_manifest(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    manifest = msgspec.json.decode(path.read_bytes())
    manifest["weighting"]["half_life_days"] = -1.0
    path.write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(BundleError, match=r"not a manifest: weighting\.half_life_days = -1\.0"):
        load_bundle(folder)


@pytest.mark.parametrize("text", [b'{"format": 2}', b" " * 1_000_001])
def test_another_format_is_refused(folder: Path, text: bytes) -> None:
    (folder / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(BundleError, match=f"not of format {FORMAT}"):
        load_bundle(folder)


def rewrite(folder: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    """Change what the manifest says of the arrays."""
    path = folder / MANIFEST_FILE
    manifest = msgspec.json.decode(path.read_bytes())
    change(manifest["arrays"])
    path.write_bytes(msgspec.json.encode(manifest))


@pytest.mark.parametrize(
    "path", ["../elsewhere.npy", "/etc/passwd", "sub/factors.npy", "other.npy"]
)
def test_a_manifest_can_not_point_elsewhere(folder: Path, path: str) -> None:
    rewrite(folder, lambda arrays: arrays["factors"].update(file=path))
    with pytest.raises(BundleError, match="a file is named for its array"):
        load_bundle(folder)


def test_an_array_can_not_be_named_like_a_path(folder: Path) -> None:
    rewrite(
        folder, lambda arrays: arrays.update({"../x": arrays["factors"] | {"file": "../x.npy"}})
    )
    with pytest.raises(BundleError, match="a file is named for its array"):
        load_bundle(folder)


@pytest.mark.parametrize("said", [{"shape": [2, 3]}, {"dtype": "float64"}, {"shape": [0]}])
def test_another_shape_or_dtype_than_said_is_refused(folder: Path, said: dict[str, object]) -> None:
    rewrite(folder, lambda arrays: arrays["factors"].update(said))
    with pytest.raises(BundleError, match=r"factors\.npy: holds float32 \(3, 2\)"):
        load_bundle(folder)


def restore(folder: Path, name: str, array: Array, *, allow_pickle: bool = False) -> None:
    """Replace an array's file, and let the manifest agree with it."""
    bundle = load_bundle(folder)
    path = folder / f"{name}.npy"
    path.unlink()
    np.save(path, array, allow_pickle=allow_pickle)
    sound = dict(bundle.manifest.arrays)
    said = {"shape": array.shape, "dtype": array.dtype.name, "bytes": path.stat().st_size}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sound[name] = msgspec.structs.replace(sound[name], sha256=digest, **said)
    manifest = msgspec.structs.replace(bundle.manifest, arrays=sound)
    (folder / MANIFEST_FILE).write_bytes(msgspec.json.encode(manifest))


def test_pickled_objects_are_never_loaded(folder: Path) -> None:
    restore(folder, "factors", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match=r"factors\.npy: not a plain \.npy array"):
        load_bundle(folder)


def test_infinity_is_refused_by_file(folder: Path) -> None:
    restore(folder, "factors", np.array([np.inf], np.float32))
    with pytest.raises(BundleError, match=r"factors\.npy: array factors: holds NaN or infinity"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        (POPULARITY, np.zeros(2, np.float32), "every bundle has it"),
        (POPULARITY, np.zeros(3, np.float64), "every bundle has it"),
        ("item_ids", np.zeros(3, np.int64), "must both be there"),
        ("item_ends", np.array([[5], [10], [16]]), "one axis"),
        ("item_ends", np.array([5, 4, 16]), "does not divide"),
        ("item_ends", np.array([5, 10]), "does not divide"),
        ("item_ends", np.array([5, 13, 16]), "not UTF-8"),
        ("item_ends", np.array([5, 16]), "2 distinct item ids for 3 items"),
    ],
)
def test_arrays_that_do_not_fit_the_items_are_refused(
    folder: Path, name: str, array: Array, reason: str
) -> None:
    restore(folder, name, array)
    with pytest.raises(BundleError, match=f"{folder}: .*{reason}"):
        load_bundle(folder)


def test_a_bundle_needs_popularity() -> None:
    with pytest.raises(BundleError, match="every bundle has it"):
        bundle_of(arrays={POPULARITY: np.zeros(4, np.float32)})


def test_a_bundle_without_item_ids_is_refused(folder: Path) -> None:
    rewrite(folder, lambda arrays: arrays.pop("item_ids"))
    with pytest.raises(BundleError, match="must both be there"):
        load_bundle(folder)


def test_two_items_of_one_id_are_refused() -> None:
    with pytest.raises(BundleError, match="2 distinct item ids for 3 items"):
        bundle_of(items=("a", "b", "a"))


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("Factors", np.zeros(3), "lower-case"),
        ("factors", np.array(["x"]), "dtype"),
        ("factors", np.zeros(3, ">f4"), "dtype"),
        ("factors", np.array([np.nan]), "NaN"),
    ],
)
def test_an_array_that_can_not_be_stored_is_refused_by_name(
    name: str, array: Array, reason: str
) -> None:
    with pytest.raises(BundleError, match=f"array '?{name}'?: .*{reason}"):
        bundle_of(arrays={name: array})


def test_a_scorer_names_the_array_that_it_misses() -> None:
    with pytest.raises(BundleError, match="array factors: popularity needs it, float32"):
        bundle_of().array("factors", np.float32, 2)


def test_items_and_manifest_must_agree() -> None:
    sound = bundle_of()
    with pytest.raises(BundleError, match="1 distinct item ids for 3 items"):
        check_bundle(dataclasses.replace(sound, items=("a",)))
