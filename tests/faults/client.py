"""Fetches over plain sockets, begun by the clock and not by the answers before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

from tests.faults.mix import Asked
from tests.faults.proxy import HOST

PATIENCE = 30.0
"""Seconds after which a fetch that nobody answers counts as blank."""
ATTEMPTS = 8
"""How often a platform tries when a connection is lost; it pauses a little between."""
FRESH = 2.0
"""Seconds that a connection may lie idle: the scorer closes those that do so for longer."""


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: Of HTTP; 0 when nothing came.
        body: Of the answer.
        seconds: From writing the request to its last byte.
        lost: Connections that broke before.
        retry_after: Whether a refusal said when to come back.
    """

    status: int
    body: bytes
    seconds: float
    lost: int = 0
    retry_after: bool = False


class _Line(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._began = 0.0
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError())

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        headers = head.lower()
        length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        seconds = time.perf_counter() - self._began
        if b"connection: close" in headers and self.transport is not None:
            self.transport.close()
            self.transport = None
        status = int(head[9:12])
        self._answer.set_result(Answer(status, body, seconds, 0, b"retry-after" in headers))

    async def ask(self, request: bytes) -> Answer:
        """The answer to one request.

        Raises:
            OSError: The connection broke.
        """
        if self.transport is None:
            raise ConnectionError
        self._data = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self.transport.write(request)
        return await self._answer


class Client:
    """Asks one scorer.

    Args:
        port: On `HOST`.
        token: An API key.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._idle: list[_Line] = []

    async def fetch(self, asked: Asked) -> Answer:
        """The answer; over another connection when one breaks, as platforms do."""
        request = asked.request(self._token)
        for lost in range(ATTEMPTS):
            try:
                line = await self._line()
                answer = await asyncio.wait_for(line.ask(request), PATIENCE)
            except TimeoutError:
                break
            except OSError:
                await asyncio.sleep(0.02 * 2**lost)
                continue
            if line.transport is not None:
                line.idle_since = time.perf_counter()
                self._idle.append(line)
            return answer._replace(lost=lost)
        return Answer(0, b"", PATIENCE, ATTEMPTS)

    def close(self) -> None:
        """Close all connections."""
        for line in self._idle:
            if line.transport is not None:
                line.transport.close()

    async def _line(self) -> _Line:
        fresh = time.perf_counter() - FRESH
        while self._idle:
            line = self._idle.pop()
            if line.transport is None:
                continue
            if line.idle_since > fresh:
                return line
            line.transport.close()
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(_Line, HOST, self._port)
        return line


async def paced(one: Callable[[], Awaitable[None]], *, rate: float, fetches: int) -> None:
    """Begin that many fetches, so many a second, however long each takes; return with the last.

    Args:
        one: Makes one.
        rate: Begun in a second.
        fetches: How many.
    """
    began = time.perf_counter()
    running: set[asyncio.Future[None]] = set()
    for number in range(fetches):
        wait = began + number / rate - time.perf_counter()
        # Who is late still reads what came.
        await asyncio.sleep(max(wait, 0.0))
        task = asyncio.ensure_future(one())
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
