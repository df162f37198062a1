"""Feeds over real connections: server-sent events and a WebSocket, that break when told to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from homing.follow.stream import Message, Stream

EVENT = """
[event]
id = "no"
type = "view"
customer = "who"
time = "at"
item = "sku"
"""


def told(number: int) -> dict[str, Any]:
    """What the feed says of the event of that number."""
    at = f"2026-01-01T10:00:{number % 60:02}Z"
    return {"no": f"n{number}", "who": f"ann{number}@example.com", "at": at, "sku": f"s{number}"}


def sse(number: int, event: str = "") -> bytes:
    """The same as a server-sent event, with an id to go on from."""
    name = f"event: {event}\n" if event else ""
    return f"{name}id: {number}\ndata: {json.dumps(told(number))}\n\n".encode()


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


class Taken:
    """Takes batches, and stops the stream once there are enough messages.

    Attributes:
        batches: What was taken.
        stop: Ends the stream.
    """

    def __init__(self, enough: int) -> None:
        self.batches: list[list[Message]] = []
        self.stop = threading.Event()
        self._enough = enough

    @property
    def messages(self) -> list[Message]:
        """All that was taken."""
        return [message for batch in self.batches for message in batch]

    def __call__(self, messages: Sequence[Message]) -> None:
        self.batches.append(list(messages))
        if len(self.messages) >= self._enough:
            self.stop.set()

    def numbers(self) -> list[str]:
        """The numbers of what was taken, in the order of it."""
        return [json.loads(message.body)["no"] for message in self.messages]


def taken(stream: Stream, enough: int) -> Taken:
    """What a stream delivers until there is enough; within ten seconds."""
    take = Taken(enough)
    timer = threading.Timer(10, take.stop.set)
    timer.start()
    try:
        stream.run(take, take.stop)
    finally:
        timer.cancel()
    return take


def wait_for(found: Callable[[], bool], seconds: float = 10) -> None:
    """Return once something is so."""
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, "it never was so"
        time.sleep(0.01)


def content_of(folder: Path) -> bytes:
    """Everything that all files of a folder hold."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
