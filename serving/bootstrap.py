"""The only place where serving is wired."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits

from features.clock import SystemClock
from features.errors import SettingsError
from features.logs import configure_logs
from features.stores.opening import open_log, open_stores
from serving.beside import IngestProcess
from serving.breaker import Breaker
from serving.exposures import Exposures
from serving.keys import KeyFile
from serving.local_catalogue import LocalCatalogue
from serving.metrics import MULTIPROCESS, Metrics
from serving.model.registry import LocalVersions, MlflowRegistry
from serving.parts import Parts
from serving.ranking.blocks import load_blocks
from serving.refresh import CatalogueFollower
from serving.reload import ModelFollower
from serving.service import Service
from serving.settings import ServeSettings
from serving.snapshot import Current
from serving.web.app import create_app

FACTORY = "serving.bootstrap:build_app"
_GRACE_SECONDS = 10


def build_parts(settings: ServeSettings) -> Parts:
    """What a service is made of.

    Raises:
        SettingsError: A setting can't be used, or a library that it needs is not installed.
    """
    blocks = load_blocks(settings.blocks_file)
    clock, metrics, current, breaker = SystemClock(), Metrics(), Current(blocks), Breaker()
    stores = open_stores(settings.resolved_store_url(), clock)
    local = LocalVersions(settings.home)
    registry = MlflowRegistry(settings.resolved_tracking_url(), settings.home)
    log = open_log(settings.resolved_log_url(), clock)
    return Parts(
        settings=settings,
        stores=stores,
        log=log,
        exposures=Exposures(log, metrics),
        current=current,
        breaker=breaker,
        catalogue=CatalogueFollower(
            stores, current, breaker, LocalCatalogue(settings.home / "catalogue"), metrics
        ),
        model=ModelFollower(registry, local, current, metrics),
        keys=KeyFile(settings.resolved_keys_file(), clock),
        clock=clock,
        metrics=metrics,
    )


def build_service(settings: ServeSettings) -> Service:
    """The service over the stores and the registry that the settings name.

    Nothing runs yet: `service.start()` loads the local copies and starts to follow the catalogue
    and the `champion` alias, `service.stop()` ends that and closes the stores.

    Raises:
        SettingsError: A setting can't be used, or a library that it needs is not installed.
    """
    return Service(build_parts(settings))


def build_app(settings: ServeSettings | None = None) -> ASGIApp:
    """The web application; its lifespan starts and stops the service.

    Args:
        settings: Read from the environment when None, as `uvicorn --factory` needs it.

    Raises:
        SettingsError: As `build_service`, or there is no secret.
    """
    if settings is None:
        settings = ServeSettings()
        _prepare_process(settings)
    customers = settings.customer_keys()
    parts = build_parts(settings)
    return create_app(parts, Service(parts), customers)


def serve(settings: ServeSettings) -> None:
    """Answer until SIGTERM or Ctrl-C; with an embedded event log, ingest in a process beside.

    Raises:
        SettingsError: As `build_app`.
    """
    _prepare_process(settings)
    # Refuse before anything runs, and in this process, where the message is seen.
    settings.customer_keys()
    load_blocks(settings.blocks_file)
    _check_address(settings.host, settings.port)
    embedded = settings.ingest and settings.resolved_log_url().startswith("sqlite:")
    beside = IngestProcess(settings) if embedded else None
    if beside is not None:
        beside.start()
    try:
        app = build_app(settings) if settings.workers == 1 else FACTORY
        if beside is not None:
            # An event that is taken in right after the start must not wait for the loop's own.
            beside.wait(_GRACE_SECONDS)
        with _several(settings) if app is FACTORY else nullcontext():
            _run(settings, app)
    finally:
        if beside is not None:
            beside.stop()


def _check_address(host: str, port: int) -> None:
    """See that one can listen there: what answers would be built first, and end without a cure."""
    try:
        for family, kind, number, _, place in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                probe = socket.socket(family, kind, number)
            except OSError:
                continue  # as asyncio does: names may stand for IPv6 where there is none
            with probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host"
        message = (
            f"HOMING_HOST {host} and HOMING_PORT {port} can't be listened on: {reason}; choose "
            "others, or end what listens there"
        )
        raise SettingsError(message) from error


def _prepare_process(settings: ServeSettings) -> None:
    """What a process that does nothing but answer wants of its libraries."""
    configure_logs(settings.log_level)
    # A score is a product with one vector. Threads of BLAS would spend more time waiting for each
    # other than they save (5 ms against 1 ms at 68,509 x 64 on two busy cores), and other requests
    # want those cores.
    threadpool_limits(limits=1, user_api="blas")


def _run(settings: ServeSettings, app: ASGIApp | str) -> None:
    uvicorn.run(
        app,
        factory=isinstance(app, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        # Our own layer logs requests; uvicorn's line would have the query in it.
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


@contextmanager
def _several(settings: ServeSettings) -> Iterator[None]:
    """What several processes need: the settings in the environment, and a folder to count into."""
    folder = tempfile.mkdtemp(prefix="homing-metrics-")
    before = dict(os.environ)
    os.environ.update(environment(settings))
    os.environ[MULTIPROCESS] = folder
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def environment(settings: ServeSettings) -> dict[str, str]:
    """The environment variables that make these settings again in another process."""
    given = {}
    for name, value in settings:
        if value is None:
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = str(plain.resolve()) if isinstance(plain, Path) else str(plain)
        given[f"HOMING_{name.upper()}"] = text
    return given
