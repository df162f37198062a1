"""Servers that tests start for themselves, on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

# Whether each quorum queue has a leader; who has none is told to choose one.
_ELECT = b"""
[] =:= [ra:trigger_election(amqqueue:get_pid(Q)) || Q <- rabbit_amqqueue:list(<<"/">>),
 amqqueue:get_type(Q) =:= rabbit_quorum_queue,
 element(1, ra:members(amqqueue:get_pid(Q), 200)) =/= ok].
"""
ELECTION_SECONDS = 30.0


def require(program: str, package: str, *places: str) -> str:
    """Where a program is: in the path, or in places besides.

    A test that needs it skips where it is missing, with the line that installs it; with
    `HOMING_REQUIRE_SERVICES=1`, as in CI, it fails instead.
    """
    found = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *places]))
    if found is not None:
        return found
    message = f"{program} is not installed: apt-get install {package}"
    if os.environ.get("HOMING_REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    return port


@contextmanager
def redis_server(*options: str, port: int | None = None) -> Iterator[str]:
    """A Redis server that keeps nothing on disk; gives its URL, without a database.

    Args:
        options: More for its command line, like `--requirepass`, `secret`.
        port: Where it listens; a free port without one.
    """
    program = require("redis-server", "redis-server")
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        log = Path(folder, "redis.log")
        with log.open("wb") as output:
            server = subprocess.Popen(  # noqa: S603 - the program that was found above
                [*command, folder, *options], stdout=output, stderr=subprocess.STDOUT
            )
        try:
            _await(server, "redis-server", port, log)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


@contextmanager
def rabbitmq_server(folder: Path, port: int) -> Iterator[str]:
    """A RabbitMQ server that keeps its messages in a folder; gives its URL, and ends by SIGKILL.

    Args:
        folder: What an earlier server on the same port kept there is found again.
        port: Where it listens.
    """
    require("rabbitmq-server", "rabbitmq-server")
    # Debian's wrapper in the path changes to another user, who can't write the folder.
    program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    Path(folder, "plugins").write_text("[].")
    Path(folder, "rabbitmq.conf").touch()
    names_port, distribution_port = str(free_port()), str(free_port())
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_PORT": names_port,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"homing-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": distribution_port,
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    log = folder / "output"
    with log.open("ab") as output:
        # Erlang's register of names; without it the server would leave one behind.
        names = subprocess.Popen(  # noqa: S603 - the program that was found
            [require("epmd", "erlang-base"), "-port", names_port],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        server = subprocess.Popen(  # noqa: S603 - Debian's
            [program],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(server, "rabbitmq-server", port, log)
        _elect(environment)
        yield f"amqp://guest:guest@127.0.0.1:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # with the virtual machine that its script started
        names.kill()
        server.wait()
        names.wait()


@contextmanager
def postgres_server(*settings: str) -> Iterator[str]:
    """A PostgreSQL server with an empty database; gives its URL, and ends with all that it kept.

    Args:
        settings: More of its own, like `wal_level=logical`.
    """
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    initdb, control = (require(one, "postgresql", *places) for one in ("initdb", "pg_ctl"))
    # It refuses to run as root.
    owner = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if owner is not None:
            shutil.chown(folder, owner)
        data, log = f"{folder}/data", f"{folder}/log"
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += "".join(f" -c {setting}" for setting in settings)
        made = [initdb, "--pgdata", data, "--username", "shop", "--auth", "trust", "--no-sync"]
        _run_as(owner, folder, made)
        _run_as(owner, folder, [control, "-D", data, "-o", options, "-l", log, "-w", "start"])
        try:
            yield f"postgresql://shop@127.0.0.1:{port}/postgres"
        finally:
            _run_as(owner, folder, [control, "-D", data, "-m", "immediate", "-w", "stop"])


def _elect(environment: Mapping[str, str]) -> None:
    """Have each quorum queue of a server that came back choose its leader.

    One that is asked for something in the moment before it has chosen would be without for ever:
    <https://github.com/rabbitmq/rabbitmq-server/issues/10070>, still so in Debian's.
    """
    cookie = Path(environment["HOME"], ".erlang.cookie").read_text()
    program = require("erl_call", "erlang-base")
    command = [program, "-sname", environment["RABBITMQ_NODENAME"], "-c", cookie, "-e"]
    deadline, told = time.monotonic() + ELECTION_SECONDS, ""
    while time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(  # noqa: S603 - the program that was found
                command, env=environment, input=_ELECT, capture_output=True, timeout=5, check=False
            )
            told = (done.stdout + done.stderr).decode()
            if "true" in told:
                return
        time.sleep(0.25)
    message = f"no leader for each queue within {ELECTION_SECONDS:g} s: {told}"
    raise RuntimeError(message)


def _run_as(owner: str | None, folder: str, command: list[str]) -> None:
    subprocess.run(  # noqa: S603 - programs that were found
        command, user=owner, cwd=folder, check=True, stdout=subprocess.DEVNULL
    )


def _await(server: subprocess.Popen[bytes], name: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    message = f"{name} did not come up: {log.read_text(errors='replace')[-500:]}"
    raise RuntimeError(message)
