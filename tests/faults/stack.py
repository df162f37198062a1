"""A scorer with everything that it depends on, each within reach of faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from features.stores.opening import Stores, open_stores
from serving.model.mlflow_http import HttpVersions
from serving.model.registry import CHAMPION, RECOMMENDER
from tests.faults import world
from tests.faults.processes import Process, redis_process, registry_process, scorer_process
from tests.faults.proxy import HOST, FaultProxy, fault_proxy
from tests.services import free_port

DEADLINE_MS = 300
"""Of the scorer. Below the half second that a question to Redis may take: stores are not what keeps
it."""


@dataclass
class Stack:
    """What runs.

    Attributes:
        home: `HOMING_HOME` of the scorer.
        scorer: `homing serve`.
        port: Of the scorer.
        token: A key for it.
        stores: Its stores, without a proxy between.
        redis: Its store's server; None with SQLite.
        store: The proxy between; None with SQLite.
        registry: MLflow.
        models: The proxy between.
        versions: The registry, without a proxy between.
    """

    home: Path
    scorer: Process
    port: int
    token: str
    stores: Stores
    redis: Process | None
    store: FaultProxy | None
    registry: Process
    models: FaultProxy
    versions: HttpVersions

    def promote(self, version: int) -> None:
        """Let another version be champion."""
        self.versions.set_alias(RECOMMENDER, CHAMPION, str(version))


@contextmanager
def running_stack(home: Path, *, sqlite: bool = False, **settings: str) -> Iterator[Stack]:
    """Everything, running and filled, until the block ends.

    Args:
        home: An empty folder.
        sqlite: Whether profiles are in SQLite files below `home`, and not in Redis.
        settings: More of the scorer's environment.
    """
    with ExitStack() as over:
        redis = store = None
        url = f"sqlite:///{home / 'profiles.db'}"
        if not sqlite:
            port = free_port()
            redis = redis_process(home, port)
            over.callback(redis.end)
            redis.start()
            store = over.enter_context(fault_proxy(port))
            url = f"redis://{HOST}:{port}/0"
        port = free_port()
        registry = registry_process(home, port)
        over.callback(registry.end)
        registry.start()
        models = over.enter_context(fault_proxy(port))
        versions = HttpVersions(f"http://{HOST}:{port}")
        stores = open_stores(url)
        over.callback(stores.close)
        world.refill(stores)
        token = world.prepare(home)
        environment = {
            "HOMING_HOME": str(home),
            "HOMING_SECRET": world.SECRET,
            "HOMING_STORE_URL": url if store is None else f"redis://{HOST}:{store.port}/0",
            "HOMING_TRACKING_URL": f"http://{HOST}:{models.port}",
            "HOMING_BLOCKS_FILE": str(home / "blocks.toml"),
            "HOMING_DEADLINE_MS": str(DEADLINE_MS),
            "HOMING_REFRESH_SECONDS": "0.2",
            "HOMING_RELOAD_SECONDS": "0.3",
            "HOMING_INGEST": "false",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
            **settings,
        }
        port = free_port()
        scorer = scorer_process(port, home, environment)
        over.callback(scorer.end)
        scorer.start()
        yield Stack(home, scorer, port, token, stores, redis, store, registry, models, versions)
