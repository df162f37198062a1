"""The only place where serving is wired."""

from __future__ import annotations

import os
from dataclasses import dataclass

import structlog

from features.clock import SystemClock
from features.sources.opening import open_sources
from features.stores.opening import open_log, open_stores
from serving.blocks_file import BlocksFollower
from serving.breaker import Breaker
from serving.exposures import Exposures
from serving.keys import KeyFile
from serving.local_catalogue import LocalCatalogue
from serving.metrics import Metrics
from serving.model.bundle import load_bundle
from serving.model.registry import LocalVersions, MlflowRegistry
from serving.overrides import OverrideFollower
from serving.parts import Parts
from serving.ranking.blocks import load_blocks
from serving.readiness import Readiness, Together
from serving.refresh import CatalogueFollower
from serving.reload import ModelFollower, loaded_model
from serving.service import Service
from serving.settings import ServeSettings
from serving.snapshot import Current
from serving.warming import warm_up
from serving.web.app import create_app
from serving.web.middleware import Around

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Ground:
    """What all workers of a scorer share: it has no threads and no connections, so it forks well.

    Attributes:
        current: What answers are made from.
        catalogue: Copies on local disk.
        together: Which of them have begun; None when there is but one.
    """

    current: Current
    catalogue: LocalCatalogue
    together: Together | None


def lay_ground(settings: ServeSettings) -> Ground:
    """The blocks, and where copies of the rest come from; nothing is loaded yet.

    Raises:
        SettingsError: The blocks can't be used.
    """
    clock = SystemClock()
    blocks = load_blocks(settings.blocks_file)
    current = Current(blocks, lambda snapshot: warm_up(snapshot, clock.now()))
    together = Together(settings.workers) if settings.workers > 1 else None
    return Ground(current, LocalCatalogue(settings.home / "catalogue"), together)


def load_local(settings: ServeSettings, ground: Ground) -> None:
    """Load the copies on local disk, before workers are forked that share their memory.

    What is not there or can't be used is left to the workers.
    """
    local = LocalVersions(settings.home)
    try:
        copy, version = ground.catalogue.load(), local.current()
        if copy is not None:
            ground.current.use_catalogue(copy)
        if version is not None:
            model = loaded_model(version, load_bundle(local.folder(version)))
            ground.current.use_model(model)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the process starts
        _log.warning("not loaded before the fork", error=str(error))


def build_parts(settings: ServeSettings, ground: Ground | None = None) -> Parts:
    """What a service is made of.

    Args:
        settings: Of the process.
        ground: What it shares with others; its own when None.

    Raises:
        SettingsError: A setting can't be used, or a library that it needs is not installed.
    """
    ground = lay_ground(settings) if ground is None else ground
    current, clock, metrics, breaker = ground.current, SystemClock(), Metrics(), Breaker()
    stores = open_stores(settings.resolved_store_url(), clock)
    registry = MlflowRegistry(settings.resolved_tracking_url(), settings.home)
    log = open_log(settings.resolved_log_url(), clock, settings.log_max_depth)
    decided = settings.home / "overrides.msgpack"
    return Parts(
        settings=settings,
        stores=stores,
        log=log,
        sources=open_sources(settings, os.environ),
        exposures=Exposures(log, metrics),
        current=current,
        breaker=breaker,
        catalogue=CatalogueFollower(stores, current, breaker, ground.catalogue, metrics),
        model=ModelFollower(registry, LocalVersions(settings.home), current, metrics),
        overrides=OverrideFollower(stores.catalogue, current, decided, clock, metrics),
        blocks_file=BlocksFollower(settings.blocks_file, current, metrics),
        readiness=Readiness(settings.drain_seconds, ground.together),
        # Looking at the file for each request would take longer than to check the key.
        keys=KeyFile(settings.resolved_keys_file(), clock, look_seconds=0.25),
        clock=clock,
        metrics=metrics,
    )


def build_app(settings: ServeSettings, parts: Parts) -> Around:
    """The web application; its lifespan starts and stops the service.

    Raises:
        SettingsError: There is no secret.
    """
    return create_app(parts, Service(parts), settings.customer_keys())
