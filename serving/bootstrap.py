"""The only place where serving is wired."""

from __future__ import annotations

from starlette.types import ASGIApp

from serving.service import Service
from serving.settings import ServeSettings


def build_service(settings: ServeSettings) -> Service:
    """The service over the stores and the registry that the settings name.

    Nothing runs yet: `service.start()` loads the local copies and starts to follow the catalogue
    and the `champion` alias, `service.stop()` ends that and closes the stores.

    Raises:
        SettingsError: A setting can't be used, or a library that it needs is not installed.
    """
    raise NotImplementedError


def build_app(settings: ServeSettings | None = None) -> ASGIApp:
    """The web application; its lifespan starts and stops the service.

    Args:
        settings: Read from the environment when None, as `uvicorn --factory` needs it.

    Raises:
        SettingsError: As `build_service`.
    """
    raise NotImplementedError


def serve(settings: ServeSettings) -> None:
    """Answer until SIGTERM or Ctrl-C; with an embedded event log, ingest in a process beside.

    Raises:
        SettingsError: As `build_service`.
    """
    raise NotImplementedError
