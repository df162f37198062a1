import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from features.errors import BundleError, ForeignBundle
from tests.unit.training.churn.samples import AT, SOURCE, make_snapshot
from training.churn.files import load_model, save_model
from training.churn.fit import BoostingParams, fit_blend, fit_logistic
from training.churn.model import ChurnModel

SNAPSHOTS = [make_snapshot(200, number=n) for n in range(3)]


@pytest.fixture(scope="module")
def model() -> ChurnModel:
    return fit_blend(SNAPSHOTS, BoostingParams(trees=20), SOURCE, AT)


@pytest.fixture
def folder(model: ChurnModel, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def manifest_of(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return read


def test_a_model_that_was_kept_says_the_same(model: ChurnModel, folder: Path) -> None:
    features = SNAPSHOTS[0].features
    kept = load_model(folder)
    assert kept.manifest.thresholds == model.manifest.thresholds
    np.testing.assert_array_equal(kept.probability(features), model.probability(features))


def test_a_logistic_model_is_kept_the_same_way(tmp_path: Path) -> None:
    logistic = fit_logistic(SNAPSHOTS, SOURCE, AT)
    save_model(logistic, tmp_path / "model")
    features = SNAPSHOTS[0].features
    kept = load_model(tmp_path / "model").probability(features)
    np.testing.assert_array_equal(kept, logistic.probability(features))


class Bomb:
    """Executes a command when it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.sign}",)


def test_an_array_that_would_execute_code_is_refused_and_executes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    sign = tmp_path / "executed"
    crafted = io.BytesIO()
    np.save(crafted, np.array([Bomb(sign)], dtype=object), allow_pickle=True)
    content = crafted.getvalue()
    (folder / "value.npy").write_bytes(content)
    manifest = manifest_of(folder)
    arrays = manifest["arrays"]
    assert isinstance(arrays, dict)
    # Even an attacker who mends the checksums gets no further.
    arrays["value"] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"value\.npy"):
        load_model(folder)
    assert not sign.exists()


def test_nothing_but_numbers_and_json_is_in_the_folder(folder: Path) -> None:
    assert {path.suffix for path in folder.iterdir()} == {".npy", ".json"}


def test_a_truncated_array_is_named(folder: Path) -> None:
    path = folder / "threshold.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(BundleError, match=r"threshold\.npy.*truncated"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "of format 99"),
        ({"algorithm": "oracle"}, "not of the form"),
        ({"calibration": ["isotonic", [0.5, 0.1], [0.1, 0.2]]}, "not of the form"),
        ({"calibration": {"kind": "isotonic", "x": [0.5, 0.1], "y": [0, 1]}}, "calibration isot"),
        ({"features": ["recency_days"]}, "BG/NBD needs"),
        ({"bgnbd": None}, "array logged"),
        ({"bgnbd": {"r": 0, "alpha": 1, "a": 1, "b": 1}}, "BG/NBD needs"),
    ],
)
def test_a_manifest_that_can_not_be_true_is_refused(
    folder: Path, change: dict[str, object], said: str
) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder) | change))
    with pytest.raises(BundleError, match=said):
        load_model(folder)


@pytest.mark.parametrize("change", [{"format": 99}, {"algorithm": "oracle"}, {"bgnbd": None}])
def test_what_another_version_made_is_told_from_what_is_damaged(
    folder: Path, change: dict[str, object]
) -> None:
    whole = manifest_of(folder)
    (folder / "manifest.json").write_text(json.dumps(whole | change))
    with pytest.raises(ForeignBundle):
        load_model(folder)
    (folder / "manifest.json").write_text(json.dumps(whole)[:-9])
    with pytest.raises(BundleError) as caught:
        load_model(folder)
    assert not isinstance(caught.value, ForeignBundle)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is this the folder of a churn model"):
        load_model(tmp_path)


def test_what_is_kept_already_is_not_overwritten(model: ChurnModel, folder: Path) -> None:
    with pytest.raises(BundleError, match="empty folder"):
        save_model(model, folder)
    assert not list(folder.parent.glob(".model*"))
