from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks.serving.round_trips import round_trips
from benchmarks.serving.servers import pinned, serving, tree
from features.errors import Unavailable
from tests.unit.homing.rehearsal.tiny import tiny_server, whole

CORES = tuple(os.sched_getaffinity(0))


def test_a_server_runs_until_the_block_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "http.server", "PORT", "--bind", "127.0.0.1"]
    with serving(command, "/", tmp_path / "log", cores=CORES[:1]) as server:
        url = f"http://127.0.0.1:{server.target.port}/"
        assert httpx.get(url).status_code == 200
        assert os.sched_getaffinity(server.process.pid) == {CORES[0]}
        assert server.began > 0
        assert server.memory() > 1
        assert server.processor_seconds() > 0
    assert server.process.poll() is not None
    assert set(CORES) == os.sched_getaffinity(0)


def test_a_server_that_ends_is_told_with_what_it_said_last(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with (
        pytest.raises(Unavailable, match=r"no such thing; see .*log"),
        serving(command, "/", tmp_path / "log", cores=CORES),
    ):
        pass


def test_a_tree_has_the_children_of_children() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as parent:  # noqa: S603 - ours
        while len(found := tree(parent.pid)) < 2:
            pass
        assert found[0] == parent.pid
        assert parent.stdin is not None
        parent.stdin.write(b"\n")


def test_pinned_is_for_the_block_alone() -> None:
    with pinned(CORES[0]):
        assert os.sched_getaffinity(0) == {CORES[0]}
    assert os.sched_getaffinity(0) == set(CORES)


def test_round_trips_are_counted_however_many_requests_go_at_once() -> None:
    asks = b"GET / HTTP/1.1\r\n\r\n"
    with (
        tiny_server(lambda connection, _: connection.sendall(whole())) as target,
        round_trips(target.port) as (port, trips),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        for asked, counted in ((1, 1), (3, 2), (1, 3)):
            client.sendall(asks * asked)
            came = b""
            while came.count(b"fine") < asked:
                came += client.recv(10_000)
            assert trips.count == counted
