"""A scorer with everything that it depends on, each within reach of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from features.stores.opening import Stores, open_stores
from serving.model.mlflow_http import HttpVersions
from serving.model.registry import CHAMPION, RECOMMENDER
from tests.faults import world
from tests.faults.processes import Process, redis_process, registry_process, scorer_process
from tests.faults.proxy import HOST, FaultProxy, fault_proxy

DEADLINE_MS = 300
"""Of the scorer. Below the half second that a question to Redis may take: stores are not what keeps
it."""
_NONE: Final[Mapping[str, str]] = {}


@dataclass
class Stack:
    """What runs.

    Attributes:
        home: `HOMING_HOME` of the scorer.
        scorer: `homing serve`.
        port: Of the scorer.
        token: A key for it.
        stores: Its stores, without a proxy between.
        redis: Their server; None where they are SQLite files.
        store: The proxy in front of it.
        registry: MLflow; None where it is not there.
        models: The proxy in front of it.
        versions: MLflow, without a proxy between.
    """

    home: Path
    scorer: Process
    port: int
    token: str
    stores: Stores
    redis: Process | None
    store: FaultProxy | None
    registry: Process | None
    models: FaultProxy | None
    versions: HttpVersions | None

    def promote(self, version: int) -> None:
        """Let another version be champion."""
        assert self.versions is not None
        self.versions.set_alias(RECOMMENDER, CHAMPION, str(version))


@contextmanager
def running_stack(
    home: Path, *, redis: bool = False, registry: bool = False, settings: Mapping[str, str] = _NONE
) -> Iterator[Stack]:
    """Everything, running and filled, until the block ends.

    Args:
        home: An empty folder.
        redis: Whether profiles are in Redis, and not in SQLite files below `home`.
        registry: Whether there is an MLflow.
        settings: More of the scorer's environment.
    """
    with ExitStack() as over:
        server, store = _behind(redis_process, home, over) if redis else (None, None)
        url = f"redis://{HOST}:{server.port}/0" if server else f"sqlite:///{home / 'profiles.db'}"
        mlflow, models = _behind(registry_process, home, over) if registry else (None, None)
        stores = open_stores(url)
        over.callback(stores.close)
        world.refill(stores)
        token = world.prepare(home)
        environment = {
            "HOMING_HOME": str(home),
            "HOMING_SECRET": world.SECRET,
            "HOMING_STORE_URL": f"redis://{HOST}:{store.port}/0" if store else url,
            "HOMING_TRACKING_URL": f"http://{HOST}:{models.port}" if models else "",
            "HOMING_BLOCKS_FILE": str(home / "blocks.toml"),
            "HOMING_DEADLINE_MS": str(DEADLINE_MS),
            "HOMING_REFRESH_SECONDS": "0.2",
            "HOMING_RELOAD_SECONDS": "0.3",
            "HOMING_INGEST": "false",
            "HOMING_DRAIN_SECONDS": "0",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
            **settings,
        }
        scorer = scorer_process(home, {name: text for name, text in environment.items() if text})
        over.callback(scorer.end)
        scorer.start()
        versions = HttpVersions(f"http://{HOST}:{mlflow.port}") if mlflow else None
        yield Stack(
            home, scorer, scorer.port, token, stores, server, store, mlflow, models, versions
        )


def _behind(
    make: Callable[[Path], Process], home: Path, over: ExitStack
) -> tuple[Process, FaultProxy]:
    """A server that runs, and the proxy in front of it."""
    server = make(home)
    over.callback(server.end)
    server.start()
    return server, over.enter_context(fault_proxy(server.port))
