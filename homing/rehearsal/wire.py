"""HTTP/1.1 as load needs it: requests as bytes made before, and one keep-alive connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from features.errors import InvalidArgument

NONE_CAME: Final = 0
"""The status of a request that got no answer."""
_IDLE: Final = -1
_FIRST_FINAL: Final = 200
"""Statuses below announce an answer that is still to come."""
_PORTS: Final = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where to send.

    Attributes:
        host: Name or address.
        port: Number.
        secure: Whether it speaks TLS.
        path: What stands before every path; no slash at its end.
    """

    host: str
    port: int
    secure: bool = False
    path: str = ""

    @classmethod
    def of(cls, url: str) -> Target:
        """The target that a URL names.

        Raises:
            InvalidArgument: It is not an http(s) URL with a host.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            port = None
        if port is None or not parts.hostname or parts.query or parts.fragment:
            cure = "write it like http://127.0.0.1:8000"
            raise InvalidArgument.of(url, field="url", reason="not a web address", cure=cure)
        return cls(parts.hostname, port, parts.scheme == "https", parts.path.rstrip("/"))

    def request(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes = b"",
    ) -> bytes:
        """A request, ready to be sent any number of times.

        Args:
            path: Begins with a slash; percent-encoded, with the query.
            headers: Besides `Host` and `Content-Length`.
            method: Of HTTP.
            body: Sent as it is.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        given = {"Host": f"{host}:{self.port}", **(headers or {})}
        if body:
            given["Content-Length"] = str(len(body))
        lines = [f"{method} {self.path}{path} HTTP/1.1", *(f"{n}: {v}" for n, v in given.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def connect(self, connection: Connection) -> None:
        """Open a connection.

        Raises:
            OSError: It can't be opened.
        """
        context = ssl.create_default_context() if self.secure else None
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, self.host, self.port, ssl=context)


class Connection(asyncio.Protocol):
    """One connection with at most one request under way.

    Args:
        answered: Called with the connection, free again, its request's number, the status and the
            body.
        lost: Called with the connection, once, when it can't be used any more, and the number of
            the request that got no answer; None when none was under way.
    """

    def __init__(
        self,
        answered: Callable[[Connection, int, int, bytes], None],
        lost: Callable[[Connection, int | None], None],
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._number = _IDLE
        self._body: list[bytes] = []
        # It calls the methods `on_…` below, and none for what has no method here.
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None

    def ask(self, number: int, request: bytes) -> None:
        """Send a request; only while it is usable and none is under way."""
        self._number = number
        if self._transport is not None:
            self._transport.write(request)

    def close(self) -> None:
        """Hang up; what is under way gets no answer."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: it is open."""
        self._transport = cast("asyncio.WriteTransport", transport)  # as of every stream

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes came."""
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        """Asyncio: it is gone."""
        self._transport = None
        self._lost(self, None if self._number == _IDLE else self._number)

    def on_body(self, part: bytes) -> None:
        """Parser: some of the body."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Parser: an answer is whole."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL:
            return
        number, body = self._number, b"".join(self._body)
        self._body.clear()
        if number == _IDLE:
            # An answer that nobody asked for: whatever comes next could not be told apart.
            self.close()
            return
        self._number = _IDLE
        if not self._parser.should_keep_alive():
            self.close()
        self._answered(self, number, status, body)

    @property
    def usable(self) -> bool:
        """Whether a request can be sent."""
        transport = self._transport
        return transport is not None and not transport.is_closing()
