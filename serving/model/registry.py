"""From an alias to a verified local copy: where the versions of a model come from.

A version's bundle lies at `artifacts/bundle/` of its MLflow model. It is downloaded beside,
verified, and renamed into place, so that a folder with a version's name is always whole; the
loading verifies it again. Nothing of MLflow is executed: files are copied, nothing more.

Here a version goes by its number and the moment of its registration, like `12-1795303522237`
(milliseconds since 1970): a registry that was made anew counts from 1 again, and what is on local
disk must not be taken for its versions.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from features.errors import BundleError, RegistryUnavailable
from serving.model.bundle import Bundle, load_bundle
from serving.model.mlflow_http import HttpVersions, reaches
from serving.model.mlflow_library import LibraryVersions, check_database
from serving.model.versions import Versions

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECOMMENDER = "recommender"
CHAMPION = "champion"
BUNDLE_PATH = "artifacts/bundle"
"""Where a version's model directory holds the bundle."""

# MLflow's own defaults wait for minutes; whoever follows an alias asks again soon anyway.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
_VERSION = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")


def number_of(version: str) -> str:
    """The number that people and answers name a version by."""
    return version.partition("-")[0]


class ModelRegistry(Protocol):
    """Where versions of one registered model come from. May block; never call it in an answer."""

    def champion(self) -> str | None:
        """The version that should serve; None while there is none.

        Raises:
            RegistryUnavailable: The registry does not answer.
        """
        ...

    def fetch(self, version: str) -> Path:
        """The folder of that version's bundle on local disk, downloaded unless it is there.

        Raises:
            RegistryUnavailable: The registry does not answer or has no such version.
            BundleError: What it holds for that version is missing or damaged; nothing was kept.
        """
        ...


class LocalVersions:
    """The versions of one registered model on local disk, and which of them served last.

    Args:
        home: `HOMING_HOME`.
        name: The registered model.
    """

    def __init__(self, home: Path, name: str = RECOMMENDER) -> None:
        self.root = home / "models" / name
        self._pointer = self.root / "current"

    def folder(self, version: str) -> Path:
        """Where that version is, or would be.

        Raises:
            RegistryUnavailable: It is not a version.
        """
        if _VERSION.fullmatch(version) is None:
            message = f"version {version!r} is not a number: ask `homing check` for those there are"
            raise RegistryUnavailable(message)
        return self.root / version

    def current(self) -> str | None:
        """The version that served last and is still here; None without one."""
        try:
            version = self._pointer.read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
        known = _VERSION.fullmatch(version) is not None
        return version if known and (self.root / version).is_dir() else None

    def remember(self, version: str) -> None:
        """Start with this version next time.

        Raises:
            OSError: The disk refuses.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with _beside(self.root) as folder:
            written = folder / "current"
            written.write_text(version)
            written.replace(self._pointer)

    def keep(self, versions: set[str]) -> None:
        """Remove all versions but these."""
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            if _VERSION.fullmatch(folder.name) and folder.name not in versions:
                shutil.rmtree(folder, ignore_errors=True)

    def discard(self, version: str) -> None:
        """Remove one version, so that it is downloaded again."""
        shutil.rmtree(self.folder(version), ignore_errors=True)

    def adopt(self, downloaded: Path, version: str) -> Path:
        """Move a verified download into place; another process may have done it just before."""
        folder = self.folder(version)
        try:
            downloaded.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        return folder


class MlflowRegistry:
    """Versions of a registered model in MLflow.

    Args:
        tracking_url: Of tracking and registry, as MLflow writes it.
        home: `HOMING_HOME`; versions are kept below.
        name: The registered model.
        alias: The alias that says which version serves.
    """

    def __init__(
        self, tracking_url: str, home: Path, name: str = RECOMMENDER, alias: str = CHAMPION
    ) -> None:
        self._url = tracking_url
        self._local = LocalVersions(home, name)
        self._name = name
        self._alias = alias
        self._library = LibraryVersions(tracking_url, "serve", _PATIENCE)
        self._versions: Versions = (
            HttpVersions(tracking_url) if reaches(tracking_url) else self._library
        )

    def champion(self) -> str | None:
        """The version that the alias names; None while there is none.

        Raises:
            RegistryUnavailable: MLflow does not answer.
            MissingExtra: MLflow is not installed.
        """
        check_database(self._url)
        number = self._versions.alias(self._name, self._alias)
        if number is None:
            return None
        return f"{number}-{self._versions.version(self._name, number).registered}"

    def fetch(self, version: str) -> Path:
        """The folder of that version's bundle on local disk, downloaded unless it is there.

        Raises:
            RegistryUnavailable: MLflow does not answer or has no such version.
            BundleError: What it holds for that version is missing or damaged; nothing was kept.
            MissingExtra: MLflow is not installed.
        """
        folder = self._local.folder(version)
        if folder.is_dir():
            return folder
        check_database(self._url)
        self._local.root.mkdir(parents=True, exist_ok=True)
        with _beside(self._local.root) as beside:
            with self._library.client() as client:
                downloaded = self._download(client, version, beside)
            load_bundle(downloaded)
            return self._local.adopt(downloaded, version)

    def load(self, version: str) -> Bundle:
        """The bundle of that version, fetched again when the local copy is damaged.

        Raises:
            RegistryUnavailable: As `fetch`.
            BundleError: As `fetch`.
        """
        return load_version(self, self._local, version)

    def _download(self, client: MlflowClient, version: str, into: Path) -> Path:
        """Copy the files of a version's bundle; where they are now."""
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - slow
            get_artifact_repository,
        )

        # Where the files are, even when the version was registered from a logged model.
        number = number_of(version)
        source = client.get_model_version_download_uri(self._name, number)
        repository = get_artifact_repository(source, self._url, self._url)
        found = repository.list_artifacts(BUNDLE_PATH)
        if not found:
            message = (
                f"{self._name}/{number} has no {BUNDLE_PATH} in MLflow ({source}): "
                "register it with `homing train`"
            )
            raise BundleError(message)
        # MLflow leaves this function without types.
        got: str = repository.download_artifacts(  # type: ignore[no-untyped-call]
            BUNDLE_PATH, dst_path=str(into)
        )
        return Path(got)


def load_version(registry: ModelRegistry, local: LocalVersions, version: str) -> Bundle:
    """The bundle of a version; a local copy that is damaged is dropped and fetched once more.

    Raises:
        RegistryUnavailable: The registry does not answer or has no such version.
        BundleError: What the registry holds is damaged.
    """
    try:
        return load_bundle(registry.fetch(version))
    except BundleError:
        local.discard(version)
        return load_bundle(registry.fetch(version))


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A folder on the same disk, gone afterwards."""
    with tempfile.TemporaryDirectory(dir=root, prefix=".fetching-") as name:
        yield Path(name)
