"""MLflow's own library: imported at the first use, quietly, and with its errors declared.

Importing it takes a second, and what it needs for a database more than half another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from features.errors import HomingError, MissingExtra, RegistryUnavailable
from serving.model.versions import Version, newest_first, redacted, unanswered, unknown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

QUIET: Final[Mapping[str, str]] = {
    # It would report its use over the network from the moment that it is imported.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    # It would stand in the middle of what --json answers.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment of an MLflow that does its work and no more; read by it when it is imported."""
PAGE: Final = 1_000
"""Versions that MLflow is asked for at once."""
MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
SQLITE: Final = b"SQLite format 3\x00"
"""How every SQLite file begins."""


class LibraryVersions:
    """The versions of whatever registry MLflow's library reaches, like `sqlite:///var/mlflow.db`.

    Args:
        url: As MLflow writes it; kept as `url`.
        extra: Of Homing, which brings the library.
        patience: Environment that says how long MLflow waits, unless the user has set it.
    """

    def __init__(self, url: str, extra: str, patience: Mapping[str, str]) -> None:
        self.url = url
        self._extra = extra
        self._environment = {**QUIET, **patience}
        self._made: MlflowClient | None = None

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """MLflow's client; whatever it raises becomes a declared error.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has not what was asked for.
            MissingExtra: MLflow is not installed.
        """
        self._check_file()
        self._import()
        try:
            if self._made is None:
                from mlflow import MlflowClient  # noqa: PLC0415 - as above

                self._made = MlflowClient(tracking_uri=self.url, registry_uri=self.url)
            yield self._made
        except HomingError:
            raise
        # MLflow lets errors of its database's and its artifact store's libraries through.
        except Exception as error:
            raise unanswered(self.url, error) from error

    def alias(self, model: str, alias: str) -> str | None:
        """Number of the version that an alias names; None while there is none, or no such model.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        with self.client() as client:
            found = client.search_registered_models(f"name = '{model}'", max_results=1)
            number = found[0].aliases.get(alias) if found else None
        return None if number is None else str(number)

    def version(self, model: str, number: str) -> Version:
        """One version.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such version.
        """
        with self._client_of(model, number) as client:
            return _told(client.get_model_version(model, number))

    def versions(self, model: str) -> list[Version]:
        """Every version of a model, the newest first; none while there is no such model.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        found: list[Version] = []
        token: str | None = ""
        with self.client() as client:
            while token is not None:
                page = client.search_model_versions(
                    f"name = '{model}'", max_results=PAGE, page_token=token or None
                )
                found += [_told(version) for version in page]
                token = page.token or None
        return newest_first(found)

    def set_tag(self, model: str, number: str, name: str, text: str) -> None:
        """Give a version a tag, in place of one of that name.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such version.
        """
        with self._client_of(model, number) as client:
            client.set_model_version_tag(model, number, name, text)

    def set_alias(self, model: str, alias: str, number: str) -> None:
        """Let an alias name this version from now on.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such version.
        """
        with self._client_of(model, number) as client:
            client.set_registered_model_alias(model, alias, number)

    def drop_alias(self, model: str, alias: str) -> None:
        """Let an alias name no version any more.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        with self.client() as client:
            client.delete_registered_model_alias(model, alias)

    @contextmanager
    def _client_of(self, model: str, number: str) -> Iterator[MlflowClient]:
        """MLflow's client, for a version that it may not have."""
        with self.client() as client:
            from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see `client`

            try:
                yield client
            except MlflowException as error:
                if error.error_code != MISSING:
                    raise
                raise unknown(self.url, model, number) from error

    def _import(self) -> None:
        for name, value in self._environment.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow.exceptions  # noqa: F401, PLC0415 - slow, and an extra
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "mlflow":
                raise
            what = "the model registry"
            raise MissingExtra(what, self._extra) from error

    def _check_file(self) -> None:
        """MLflow would try a file that is no database again and again, for two minutes."""
        path = Path(self.url.removeprefix("sqlite:///"))
        if not self.url.startswith("sqlite:///") or not path.is_file():
            return
        with path.open("rb") as file:
            start = file.read(len(SQLITE))
        if start not in {b"", SQLITE}:
            message = (
                f"MLflow at {redacted(self.url)}: not a SQLite file; restore it or move it away"
            )
            raise RegistryUnavailable(message)


def check_database(url: str) -> None:
    """See that a database on disk is there: MLflow would make a new, empty one.

    Raises:
        RegistryUnavailable: It is not.
    """
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        message = f"there is no MLflow database at {path}: `homing train` makes one"
        raise RegistryUnavailable(message)


def _told(version: ModelVersion) -> Version:
    return Version(
        number=str(version.version),
        registered=int(version.creation_timestamp or 0),
        run_id=str(version.run_id or ""),
        tags=dict(version.tags),
        aliases=tuple(version.aliases),
    )
