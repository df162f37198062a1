from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from features.errors import BundleError, MissingExtra, RegistryUnavailable
from serving.model.bundle import load_bundle
from serving.model.mlflow_library import QUIET
from serving.model.registry import (
    BUNDLE_PATH,
    LocalVersions,
    MlflowRegistry,
    load_version,
    number_of,
)
from tests.unit.serving.model.samples import bundle_of


class Shelf:
    """An MLflow with one registered model, on SQLite."""

    def __init__(self, folder: Path) -> None:
        # This may be the first import of MLflow in the process, and tells it how to behave in all.
        os.environ.update(QUIET)
        from mlflow import MlflowClient  # noqa: PLC0415 - slow

        self.url = f"sqlite:///{folder / 'mlflow.db'}"
        self.folder = folder
        self.client = MlflowClient(self.url, self.url)
        self.client.create_registered_model("recommender")

    def add(self, version: str, *, whole: bool = True) -> Path:
        """A version whose model directory has a bundle, or lost the end of one file of it."""
        source = self.folder / f"model-{version}"
        bundle = source / BUNDLE_PATH
        bundle_of().save(bundle)
        if not whole:
            file = next(bundle.glob("*.npy"))
            file.write_bytes(file.read_bytes()[:-4])
        self.client.create_model_version("recommender", str(source))
        self.client.set_registered_model_alias("recommender", "champion", version)
        return source


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    made = Shelf(tmp_path_factory.mktemp("mlflow"))
    made.add("1")
    made.add("2", whole=False)
    made.client.create_model_version("recommender", str(made.folder / "nowhere"))
    made.client.set_registered_model_alias("recommender", "champion", "1")
    return made


@pytest.fixture
def registry(shelf: Shelf, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(shelf.url, tmp_path)


def test_the_alias_names_the_champion(shelf: Shelf, tmp_path: Path) -> None:
    registry = MlflowRegistry(shelf.url, tmp_path)
    version = registry.champion()
    assert version is not None
    assert number_of(version) == "1"
    assert registry.champion() == version
    assert MlflowRegistry(shelf.url, tmp_path, alias="challenger").champion() is None
    assert MlflowRegistry(shelf.url, tmp_path, name="churn").champion() is None


def test_a_version_is_fetched_verified_and_kept(registry: MlflowRegistry, tmp_path: Path) -> None:
    folder = registry.fetch("1")
    assert folder == tmp_path / "models" / "recommender" / "1"
    assert load_bundle(folder).items == ("apple", "bread", "crème")
    assert registry.load("1").items == ("apple", "bread", "crème")
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


def test_what_was_fetched_needs_no_registry_any_more(shelf: Shelf, tmp_path: Path) -> None:
    folder = MlflowRegistry(shelf.url, tmp_path).fetch("1")
    assert MlflowRegistry("http://127.0.0.1:9", tmp_path).fetch("1") == folder


def test_a_registry_made_anew_is_not_mistaken_for_the_one_before(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    names = []
    for title in ("before", "anew"):
        made = Shelf(tmp_path_factory.mktemp(title))
        made.add("1")
        registry = MlflowRegistry(made.url, tmp_path)
        champion = registry.champion()
        assert champion is not None
        names.append(champion)
        assert registry.fetch(champion) == tmp_path / "models" / "recommender" / champion
    assert len(set(names)) == 2


def test_what_a_database_raises_is_a_registry_that_does_not_answer(
    shelf: Shelf, tmp_path: Path
) -> None:
    registry = MlflowRegistry(shelf.url, tmp_path)
    assert registry.champion() is not None
    # Held by someone else for good, or cut off in the middle: SQLAlchemy has errors of its own.
    registry._library._made = Broken()  # type: ignore[assignment]
    with pytest.raises(RegistryUnavailable, match="the database is locked"):
        registry.champion()


class Broken:
    """A client whose database raises what MLflow does not wrap."""

    def search_registered_models(self, *_: object, **__: object) -> None:
        """As MLflow's."""
        message = "the database is locked"
        raise ValueError(message)


def test_a_damaged_version_is_refused_by_the_file_and_not_kept(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=r"\.npy"):
        registry.fetch("2")
    assert list((tmp_path / "models" / "recommender").iterdir()) == []


def test_a_version_without_a_bundle_is_refused(registry: MlflowRegistry) -> None:
    with pytest.raises((BundleError, RegistryUnavailable), match="recommender/3 has no artifacts"):
        registry.fetch("3")


def test_a_version_that_is_not_registered_is_unavailable(registry: MlflowRegistry) -> None:
    with pytest.raises(RegistryUnavailable, match=r"does not answer: .*99"):
        registry.fetch("99")


@pytest.mark.parametrize("version", ["", "latest", "../1", "1/..", "٣", "1" * 30, "1-", "1-x"])
def test_what_is_not_a_number_is_no_version(registry: MlflowRegistry, version: str) -> None:
    with pytest.raises(RegistryUnavailable, match="is not a number"):
        registry.fetch(version)


def test_a_database_that_is_gone_is_unavailable_and_not_made_anew(tmp_path: Path) -> None:
    database = tmp_path / "gone.db"
    registry = MlflowRegistry(f"sqlite:///{database}", tmp_path)
    with pytest.raises(RegistryUnavailable, match="there is no MLflow database"):
        registry.champion()
    with pytest.raises(RegistryUnavailable, match="there is no MLflow database"):
        registry.fetch("1")
    assert not database.exists()


def test_a_server_that_does_not_listen_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = MlflowRegistry("http://user:word@127.0.0.1:9", tmp_path)
    with pytest.raises(
        RegistryUnavailable, match=r"http://127\.0\.0\.1:9 does not answer"
    ) as error:
        registry.champion()
    assert "word" not in str(error.value)


@pytest.fixture
def another_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked into for `mlflow` before all others."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_mlflow_is_an_extra(another_mlflow: Path) -> None:
    # A package without the module that is asked for is as good as none.
    (another_mlflow / "mlflow").mkdir()
    (another_mlflow / "mlflow" / "__init__.py").touch()
    with pytest.raises(MissingExtra, match=r"homing\[serve\]"):
        MlflowRegistry("http://127.0.0.1:9", another_mlflow).fetch("1")


def test_what_mlflow_itself_misses_is_not_blamed_on_the_extra(another_mlflow: Path) -> None:
    (another_mlflow / "mlflow.py").write_text("import a_library_that_nobody_has")
    with pytest.raises(ModuleNotFoundError, match="a_library_that_nobody_has"):
        MlflowRegistry("http://127.0.0.1:9", another_mlflow).fetch("1")


def test_the_version_that_served_last_is_remembered(tmp_path: Path) -> None:
    local = LocalVersions(tmp_path)
    assert local.current() is None
    local.remember("3")
    assert local.current() is None
    local.folder("3").mkdir()
    assert LocalVersions(tmp_path).current() == "3"
    (local.root / "current").write_text("../../elsewhere")
    assert local.current() is None


def test_other_versions_are_removed_and_strange_files_stay(tmp_path: Path) -> None:
    local = LocalVersions(tmp_path)
    local.keep({"1"})
    for name in ("1", "2", "3", "notes"):
        (local.root / name).mkdir(parents=True)
    local.keep({"1", "3"})
    assert sorted(folder.name for folder in local.root.iterdir()) == ["1", "3", "notes"]


def test_two_processes_may_fetch_the_same_version(tmp_path: Path) -> None:
    local = LocalVersions(tmp_path)
    for name in ("one", "two"):
        bundle_of().save(local.root / name)
    assert local.adopt(local.root / "one", "4") == local.adopt(local.root / "two", "4")
    with pytest.raises(OSError, match="nowhere"):
        local.adopt(local.root / "nowhere", "5")


class Repairing:
    """A registry whose first copy is damaged."""

    def __init__(self, home: Path) -> None:
        self.local = LocalVersions(home)

    def champion(self) -> str | None:
        return "1"

    def fetch(self, version: str) -> Path:
        folder = self.local.folder(version)
        if not folder.is_dir():
            bundle_of().save(folder)
        return folder


def test_a_damaged_copy_is_fetched_once_more(tmp_path: Path) -> None:
    registry = Repairing(tmp_path)
    registry.local.folder("1").mkdir(parents=True)
    assert load_version(registry, registry.local, "1").items[0] == "apple"
