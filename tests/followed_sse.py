"""Server-sent events over real HTTP, from a server that breaks off when told to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


class Feed:
    """Server-sent events of a shop.

    Attributes:
        events: All that it has to say; the id of each is its place.
        each: How many one connection brings before it is closed; None for all.
        open: Whether a connection that has brought all stays open.
        answers: Status and headers that the next connections get instead, the first first.
        asked: Headers and query of every connection.
        ends: Whether it ends for good where nothing is left.
        pause: Seconds between two events.
        sent: How many events have left.
        url: Where it is.
    """

    def __init__(self, events: Sequence[bytes] = ()) -> None:
        self.events = list(events)
        self.each: int | None = None
        self.open = True
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.asked: list[dict[str, str]] = []
        self.ends = False
        self.pause = 0.0
        self.sent = 0
        self.url = ""

    async def answer(self, request: Request) -> Response:
        """One connection."""
        self.asked.append({**request.query_params, **request.headers})
        if self.answers:
            status, headers = self.answers.pop(0)
            return Response(status_code=status, headers=headers)
        after = int(request.headers.get("last-event-id", "-1"))
        if self.ends and after + 1 >= len(self.events):
            return Response(status_code=204)
        return StreamingResponse(self._said(after + 1), media_type="text/event-stream")

    async def _said(self, begin: int) -> AsyncIterator[bytes]:
        end = None if self.each is None else begin + self.each
        yield b": welcome\n\n"
        for event in self.events[begin:end]:
            yield event
            self.sent += 1
            if self.pause:
                await asyncio.sleep(self.pause)
        while self.open and self.each is None:  # noqa: ASYNC110 - told by another thread
            await asyncio.sleep(0.02)


@contextmanager
def sse_server(feed: Feed) -> Iterator[Feed]:
    """Serve a feed from a port that is free."""
    app = Starlette(routes=[Route("/feed", feed.answer)])
    config = uvicorn.Config(app, loop="asyncio", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        feed.url = f"http://127.0.0.1:{listening.getsockname()[1]}/feed"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield feed
        finally:
            feed.open = False
            server.should_exit = True
            thread.join()
