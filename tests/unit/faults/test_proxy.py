"""Each mode of the fault proxy does to a plain client what it says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import HOST, FaultProxy, Kind, fault_proxy

LINE = b"an answer of thirty-two letters\n"


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of a server that says what it is told."""

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65_536):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server((HOST, 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def running(echo: int) -> Iterator[FaultProxy]:
    with fault_proxy(echo) as made:
        yield made


@pytest.fixture
def proxy(running: FaultProxy) -> Iterator[FaultProxy]:
    yield running
    running.use(Kind.PASS)


def connected(proxy: FaultProxy) -> socket.socket:
    client = socket.create_connection((HOST, proxy.port), timeout=5)
    client.sendall(LINE)
    assert received(client, len(LINE)) == LINE
    return client


def received(client: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer where the connection ends before."""
    data = b""
    while len(data) < count and (more := client.recv(count - len(data))):
        data += more
    return data


def test_passing_changes_nothing(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        much = bytes(range(256)) * 4_000
        client.sendall(much)
        assert received(client, len(much)) == much


def test_refusing_resets_who_is_there_and_lets_nobody_in_until_it_ends(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        proxy.use(Kind.REFUSE)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, proxy.port))
    proxy.use(Kind.PASS)
    connected(proxy).close()


def test_a_connection_that_hung_once_never_answers_again(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        proxy.use(Kind.HANG)
        with socket.create_connection((HOST, proxy.port), timeout=0.2) as other:
            for hanging in (client, other):
                hanging.settimeout(0.2)
                hanging.sendall(LINE)
                with pytest.raises(TimeoutError):
                    hanging.recv(1)
            proxy.use(Kind.PASS)
            connected(proxy).close()
            for hanging in (client, other):
                hanging.sendall(LINE)
                with pytest.raises(TimeoutError):
                    hanging.recv(1)


def test_slow_answers_come_late_whole_and_in_their_order(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        proxy.use(Kind.SLOW, ms=200)
        began = time.monotonic()
        client.sendall(b"first,")
        time.sleep(0.05)
        proxy.use(Kind.PASS)
        client.sendall(b"second")
        assert received(client, 12) == b"first,second"
        assert 0.2 <= time.monotonic() - began < 2


def test_a_cut_answer_is_a_part_of_it_and_then_the_end(proxy: FaultProxy) -> None:
    parts = []
    for _ in range(8):
        with connected(proxy) as client:
            proxy.use(Kind.CUT)
            client.sendall(LINE)
            parts.append(received(client, len(LINE)))
            proxy.use(Kind.PASS)
    assert all(LINE.startswith(part) and part != LINE for part in parts)
    assert len(set(parts)) > 2


def test_garbage_is_an_answer_but_not_the_server_s(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        proxy.use(Kind.GARBAGE)
        for _ in range(8):
            client.sendall(LINE)
            assert LINE not in client.recv(65_536)


def test_dripping_brings_one_byte_at_a_time(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        proxy.use(Kind.DRIP, ms=5)
        began = time.monotonic()
        client.sendall(LINE)
        assert received(client, len(LINE)) == LINE
        assert 0.16 <= time.monotonic() - began < 2
        much = 2_000 * b"."
        client.sendall(much)
        time.sleep(0.05)
        proxy.use(Kind.PASS)
        assert received(client, len(much)) == much
        assert time.monotonic() - began < 5


def test_a_server_that_is_gone_looks_gone() -> None:
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    with fault_proxy(port) as proxy, socket.create_connection((HOST, proxy.port)) as client:
        client.settimeout(5)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
