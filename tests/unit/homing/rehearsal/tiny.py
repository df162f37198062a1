"""A tiny HTTP server whose answers a test scripts, a thread for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from homing.rehearsal.wire import Target

Answer = Callable[[socket.socket, bytes], None]
"""Answers one request, of its head; the connection ends when it is shut down."""


def whole(body: bytes = b"fine", status: int = 200, *more: str) -> bytes:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


@contextmanager
def tiny_server(answer: Answer) -> Iterator[Target]:
    """Serve until the block ends; gives its target."""

    class Talk(BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError), connection.makefile("rb") as lines:
                head = b""
                while line := lines.readline():
                    head += line
                    if line == b"\r\n":
                        answer(connection, head)
                        head = b""

    with ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Target("127.0.0.1", server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
