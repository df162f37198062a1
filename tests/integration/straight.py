"""A scorer that answers on a socket, in a thread of its own, and clients that talk bytes to it."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from starlette.types import Receive, Scope, Send

from serving.readiness import Readiness
from serving.web.middleware import Around
from serving.web.server import Server
from tests.integration.web import FETCH, Web

SECONDS = 10.0
"""How long anybody here waits for anything."""


class Reply(NamedTuple):
    """A response as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def named(self) -> dict[str, str]:
        """The headers; each name comes once."""
        assert len(dict(self.headers)) == len(self.headers), self.headers
        return dict(self.headers)


class Client:
    """One connection.

    Args:
        port: Where to.
        token: API key of its requests.
        receive: Bytes that its side of the connection takes in before they are read.
    """

    def __init__(self, port: int, token: str, receive: int | None = None) -> None:
        self._token = token
        self._socket = socket.socket()
        if receive is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self._socket.settimeout(SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    def fetch(self, query: str, *headers: str, token: str | None = None) -> bytes:
        """The bytes of a template fetch."""
        return self.request(f"GET {FETCH}?{query} HTTP/1.1", *headers, token=token)

    def request(self, line: str, *headers: str, token: str | None = None) -> bytes:
        """The bytes of a request; with another key, or with none where that is empty."""
        key = self._token if token is None else token
        lines = [line, "Host: homing", *([f"Authorization: Bearer {key}"] if key else []), *headers]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    def send(self, *requests: bytes) -> None:
        """Send all of it at once."""
        self._socket.sendall(b"".join(requests))

    def read(self, *, has_body: bool = True) -> Reply:
        """The next response."""
        status = self._file.readline().decode()
        assert status.startswith("HTTP/1.1 "), status
        headers: list[tuple[str, str]] = []
        while line := self._file.readline().decode().rstrip("\r\n"):
            name, _, value = line.partition(": ")
            headers.append((name, value))
        length = int(dict(headers)["content-length"]) if has_body else 0
        return Reply(int(status.split()[1]), headers, self._file.read(length))

    def ask(self, *requests: bytes) -> Reply:
        """The response to a request."""
        self.send(*requests)
        return self.read()

    def closed(self) -> bool:
        """Whether nothing comes any more but the end; waits for it."""
        return self._file.read(1) == b""

    def close(self) -> None:
        """Go away."""
        self._file.close()
        self._socket.close()

    def break_off(self) -> None:
        """Go away as a process does that dies: nothing is read any more, nor waited for."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class Served:
    """What answers.

    Args:
        web: The application.
        drain: Seconds that it answers on once it is to end.

    Attributes:
        by_asgi: Paths of requests that went the way of any ASGI server.
        troubles: What the event loop was told of as nobody's error.
    """

    def __init__(self, web: Web, drain: float) -> None:
        self.web = web
        self.by_asgi: list[str] = []
        self.troubles: list[dict[str, Any]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        # Small, so that who does not read is noticed soon.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.port: int = self._listening.getsockname()[1]
        ready = Readiness(drain)
        self.server = Server(web.app, [self._listening], ready, parent=os.getppid())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self.server.answer)
        self._clients: list[Client] = []

    def begin(self) -> None:
        """Answer from now on."""
        self._thread.start()
        wait_for(lambda: self.server.started and bool(self.server.server_state.default_headers))

    def note(self, scope: Scope) -> None:
        """Note what comes by ASGI."""
        if scope["type"] == "http":
            self.by_asgi.append(scope["path"])
        else:
            self._loop = asyncio.get_running_loop()
            self._loop.set_exception_handler(lambda _, context: self.troubles.append(context))

    def client(self, receive: int | None = None) -> Client:
        """A new connection."""
        client = Client(self.port, self.web.token, receive)
        self._clients.append(client)
        return client

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the loop stand still: what comes meanwhile comes in one turn of it."""
        assert self._loop is not None
        begun, go = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            go.wait(SECONDS)

        self._loop.call_soon_threadsafe(hold)
        assert begun.wait(SECONDS)
        try:
            yield
        finally:
            time.sleep(0.02)  # for what was sent to arrive
            go.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let the store wait: what is asked for is being made until the block ends."""
        go, asked = threading.Event(), threading.Event()

        def wait() -> None:
            asked.set()
            go.wait(SECONDS)

        self.web.kit.fail(wait)
        try:
            yield
            assert asked.is_set()
        finally:
            go.set()
            self.web.kit.fail(None)

    def connections(self) -> int:
        """How many there are."""
        return len(self.server.server_state.connections)

    def end(self) -> None:
        """Answer no more."""
        self.server.should_exit = True
        for client in self._clients:
            client.close()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self._listening.close()


@contextmanager
def served(web: Web, monkeypatch: pytest.MonkeyPatch, drain: float = 0.0) -> Iterator[Served]:
    """A scorer on a socket; nothing may go wrong in it that nobody is told."""
    serving, before = Served(web, drain), gc.get_threshold()
    by_asgi = Around.__call__

    async def noted(around: Around, scope: Scope, receive: Receive, send: Send) -> None:
        serving.note(scope)
        await by_asgi(around, scope, receive, send)

    monkeypatch.setattr(Around, "__call__", noted)
    try:
        serving.begin()
        yield serving
    finally:
        serving.end()
        gc.unfreeze()
        gc.set_threshold(*before)
    assert serving.troubles == []


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)
