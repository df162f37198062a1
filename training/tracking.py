"""MLflow, opened quietly: no telemetry, no progress bars, no pages of migration logs.

Importing MLflow takes more than a second and making its database another two, so both wait for
the first use.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from features.errors import BundleError, HomingError, MissingExtra, RegistryUnavailable, shorten
from serving.model.registry import QUIET, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ENVIRONMENT: Final[Mapping[str, str]] = {
    **QUIET,
    # MLflow's own patience with a server that is down is several minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
"""Set before MLflow is imported, unless the user has set them."""
PAGE: Final = 1_000
"""Versions that MLflow is asked for at once."""
SQLITE: Final = b"SQLite format 3\x00"
"""How every SQLite file begins."""


class Tracking:
    """MLflow's tracking and registry at one address.

    Args:
        url: As MLflow writes it, like `sqlite:///var/mlflow.db`.
        artifacts: Folder of files while the address is a SQLite file; a server has its own place.
    """

    def __init__(self, url: str, artifacts: Path) -> None:
        self._url = url
        self._artifacts = artifacts
        self._made: MlflowClient | None = None

    @property
    def address(self) -> str:
        """The URL without what stands before its host."""
        return redacted(self._url)

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """MLflow's client; whatever it raises becomes a declared error.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has not what was asked for.
            MissingExtra: MLflow is not installed.
        """
        with self._answering():
            if self._made is None:
                from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

                self._made = MlflowClient(tracking_uri=self._url, registry_uri=self._url)
            yield self._made

    @contextmanager
    def run(self, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[Any]:
        """A run of MLflow's fluent interface, which is `mlflow` itself; ended whatever happens.

        Args:
            experiment: Made when it is not there yet.
            name: Of the run.
            tags: Of the run.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        with self.client() as client:
            import mlflow  # noqa: PLC0415 - takes seconds
            import mlflow.pyfunc  # noqa: PLC0415

            number = self.experiment(client, experiment)
            fluent: Any = mlflow  # it types neither what it gives nor what it takes here
            before = fluent.get_tracking_uri() if fluent.is_tracking_uri_set() else None
            fluent.set_tracking_uri(self._url)
            try:
                with mlflow.start_run(
                    experiment_id=number, run_name=name, tags=dict(tags), nested=True
                ):
                    yield mlflow
            finally:
                fluent.set_tracking_uri(before)

    def version(self, model: str, number: str) -> ModelVersion:
        """One version of a registered model.

        Raises:
            RegistryUnavailable: There is none of that number.
        """
        with self.client() as client:
            return client.get_model_version(model, number)

    def versions(self, model: str) -> list[ModelVersion]:
        """Every version of a registered model, the newest first; none while there is no model.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        found: list[ModelVersion] = []
        token: str | None = ""
        with self.client() as client:
            while token is not None:
                page = client.search_model_versions(
                    f"name = '{model}'", max_results=PAGE, page_token=token or None
                )
                found += page
                token = page.token or None
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def alias(self, model: str, alias: str) -> str | None:
        """Number of the version that an alias names; None while there is none.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        with self.client() as client:
            found = client.search_registered_models(f"name = '{model}'", max_results=1)
            version = found[0].aliases.get(alias) if found else None
        return None if version is None else str(version)

    def download(self, model: str, number: str, part: str, into: Path) -> Path:
        """Copy a folder of a version's files; nothing of it is executed.

        Args:
            model: The registered model.
            number: Of the version.
            part: Like `artifacts/bundle`.
            into: An empty folder.

        Raises:
            RegistryUnavailable: MLflow does not answer.
            BundleError: The version has no such folder.
        """
        with self.client() as client:
            from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
                get_artifact_repository,
            )

            source = str(client.get_model_version_download_uri(model, number))
            if source.startswith("models:/"):
                found = client.get_logged_model(source.removeprefix("models:/").strip("/"))
                source = str(found.artifact_location)
            files: Any = get_artifact_repository(source, self._url, self._url)
            if not files.list_artifacts(part):
                message = f"{model}/{number} has no {part} in MLflow: train it again"
                raise BundleError(message)
            return Path(files.download_artifacts(part, dst_path=str(into)))

    def experiment(self, client: MlflowClient, name: str) -> str:
        """Number of an experiment, which is made when it is not there yet.

        Args:
            client: As `client` gives it.
            name: Of the experiment.
        """
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        local = self._artifacts.resolve().as_uri() if self._url.startswith("sqlite:") else None
        return str(client.create_experiment(name, artifact_location=local))

    def _check_file(self) -> None:
        """MLflow would try a file that is no database again and again, for two minutes."""
        path = Path(self._url.removeprefix("sqlite:///"))
        if not self._url.startswith("sqlite:///") or not path.is_file():
            return
        with path.open("rb") as file:
            start = file.read(len(SQLITE))
        if start not in {b"", SQLITE}:
            message = f"MLflow at {self.address}: not a SQLite file; restore it or move it away"
            raise RegistryUnavailable(message)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        with quiet():
            try:
                import mlflow.exceptions  # noqa: F401, PLC0415 - takes seconds
            except ModuleNotFoundError as error:
                if error.name is None or error.name.partition(".")[0] != "mlflow":
                    raise
                what = "the model registry"
                raise MissingExtra(what, "train") from error
            self._check_file()
            try:
                yield
            except HomingError:
                raise
            # MLflow lets errors of its database's and its artifact store's libraries through.
            except Exception as error:
                line = shorten(str(error).partition("\n")[0])
                message = (
                    f"MLflow at {self.address} does not answer: {line}; "
                    "start it, or correct HOMING_TRACKING_URL"
                )
                raise RegistryUnavailable(message) from error


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow without its advice: warnings and informational logs are held back within."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
