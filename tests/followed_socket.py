"""A WebSocket, from a server that breaks off when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


class Socket:
    """A WebSocket of a shop.

    Attributes:
        frames: All that it has to say.
        each: How many one connection brings before it is closed; None for all.
        heard: What was sent to it, a list for each connection.
        asked: Path and headers of every connection.
        begin: From what a connection sent first → the first frame that it gets.
        url: Where it is.
    """

    def __init__(self, frames: Sequence[str | bytes] = ()) -> None:
        self.frames = list(frames)
        self.each: int | None = None
        self.heard: list[list[str | bytes]] = []
        self.asked: list[dict[str, str]] = []
        self.begin: Callable[[str | bytes], int] | None = None
        self.url = ""

    def serve(self, connection: ServerConnection) -> None:
        """One connection."""
        request = connection.request
        assert request is not None
        self.asked.append({"path": request.path, **dict(request.headers.raw_items())})
        self.heard.append([])
        try:
            begin = 0
            if self.begin is not None:
                self.heard[-1].append(connection.recv(5))
                begin = self.begin(self.heard[-1][0])
            end = None if self.each is None else begin + self.each
            for frame in self.frames[begin:end]:
                connection.send(frame)
            if self.each is None:
                for message in connection:
                    self.heard[-1].append(message)
        except ConnectionClosed:
            return


@contextmanager
def socket_server(shop: Socket, **options: Any) -> Iterator[Socket]:  # noqa: ANN401 - its own
    """Serve a WebSocket from a port that is free."""
    with serve(shop.serve, "127.0.0.1", 0, **options) as server:
        shop.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/feed"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()
