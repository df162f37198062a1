"""Processes that are killed, over and over, and start again within a moment.

They are forked from a process that has loaded the libraries, so that dying a hundred times takes
minutes and not an hour. What a process does from there on is what the command line does.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final, Protocol

from tests.faults.processes import eventually, listens
from tests.services import free_port, rabbitmq_server, redis_server

LOADED: Final = (
    "homing.cli", "features.ingest", "features.stores.redis_log", "features.stores.redis",
    "features.stores.rabbitmq", "serving.start", "serving.bootstrap", "serving.web.server",
    "tests.faults.intake.victims",
)  # fmt: skip
"""Modules that every process needs; none does anything when it is loaded."""

Server = Callable[[Path, int], AbstractContextManager[str]]
"""Runs a broker that keeps what it has in a folder, on a port, until the block ends by SIGKILL."""


class Victim(Protocol):
    """What can be killed."""

    @property
    def name(self) -> str:
        """What it is."""
        ...

    def start(self) -> None:
        """Start it; return at once, or when it is there."""
        ...

    def ready(self) -> bool:
        """Whether it takes work."""
        ...

    def kill(self) -> None:
        """End it with SIGKILL."""
        ...


class Command:
    """A command of `homing`.

    Args:
        name: What it is.
        arguments: Of the command line.
        environment: Variables on top of our own.
        port: Where it listens as soon as it takes work.
        log: File that gets what it prints.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        log: Path,
    ) -> None:
        self.name = name
        self.port = port
        self._given = (list(arguments), dict(environment), str(log))
        self._process: ForkServerProcess | None = None

    def start(self) -> None:
        """Fork it."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(LOADED))
        self._process = context.Process(target=run_command, args=self._given, name=self.name)
        self._process.start()

    def ready(self) -> bool:
        """Whether it listens."""
        process = self._process
        assert process is not None
        assert process.exitcode is None, f"{self.name} ended by itself: see {self._given[2]}"
        return listens(self.port)

    def kill(self) -> None:
        """End it with SIGKILL, wherever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


class Broker:
    """The server of an event log.

    Args:
        server: Runs it.
        folder: Where it keeps what it has.
    """

    name = "broker"

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._port = free_port()
        self._over = ExitStack()
        self.url = ""

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        self.url = self._over.enter_context(self._server(self._folder, self._port))

    def ready(self) -> bool:
        """Whether it listens; it does as soon as it was started."""
        return listens(self._port)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._over.close()


def run_command(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """What a forked process does: a command of `homing`, with short waits.

    Leases are short, so that others take over soon what a dead process held, and the lake is looked
    after so often that this is killed too.
    """
    from features import ingest  # noqa: PLC0415 - loaded long ago, where this runs
    from features.stores import rabbitmq_log, redis_log  # noqa: PLC0415
    from homing.cli import main  # noqa: PLC0415

    redis_log.LEASE_SECONDS, rabbitmq_log.SHARE_SECONDS = 1.0, 0.3  # type: ignore[misc]
    ingest.MERGE_SECONDS, ingest.UPKEEP_SECONDS = 0.2, 2.0  # type: ignore[misc]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    sys.argv = ["homing", *arguments]
    main()


@contextmanager
def redis_broker(folder: Path, port: int) -> Iterator[str]:
    """A Redis that keeps what it acknowledges, as the log asks for."""
    kept = ("--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder))
    with redis_server(*kept, port=port) as url:
        yield url


def started(victims: Sequence[Victim]) -> None:
    """Start them, and return when all take work."""
    for victim in victims:
        victim.start()
    for victim in victims:
        eventually(victim.ready)


BROKERS: Final[Mapping[str, Server | None]] = {
    "SQLite": None,
    "Redis Streams": redis_broker,
    "RabbitMQ": rabbitmq_server,
}
"""Event log → what serves it; None for a file."""
