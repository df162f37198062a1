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

from features.errors import BundleError
from serving.model.mlflow_library import QUIET, LibraryVersions

if TYPE_CHECKING:
    from mlflow import MlflowClient

PATIENCE: Final[Mapping[str, str]] = {
    # MLflow's own with a server that is down is several minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
"""Environment that says how long MLflow waits; set unless the user has set it."""


class Tracking(LibraryVersions):
    """MLflow's tracking and registry at one address.

    Args:
        url: As MLflow writes it, like `sqlite:///var/mlflow.db`.
        artifacts: Folder of files while the address is a SQLite file; a server has its own place.
    """

    def __init__(self, url: str, artifacts: Path) -> None:
        super().__init__(url, "train", PATIENCE)
        self._artifacts = artifacts

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """MLflow's client, without MLflow's advice.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has not what was asked for.
            MissingExtra: MLflow is not installed.
        """
        with quiet(), super().client() as client:
            yield client

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
            fluent.set_tracking_uri(self.url)
            try:
                with mlflow.start_run(
                    experiment_id=number, run_name=name, tags=dict(tags), nested=True
                ):
                    yield mlflow
            finally:
                fluent.set_tracking_uri(before)

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
            files: Any = get_artifact_repository(source, self.url, self.url)
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
        local = self._artifacts.resolve().as_uri() if self.url.startswith("sqlite:") else None
        return str(client.create_experiment(name, artifact_location=local))


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow without its advice: warnings and informational logs are held back within."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
