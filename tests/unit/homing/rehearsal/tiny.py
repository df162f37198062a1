"""A tiny HTTP server whose answers a test scripts, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from homing.rehearsal.wire import Target

Answer = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""Answers one request, of its head."""


def whole(body: bytes = b"fine", status: int = 200, *more: str) -> bytes:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


async def serve(answer: Answer, port: Future[int], over: asyncio.Event) -> None:
    """Answer until it is over, and leave nothing behind."""
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            talks.append(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                await answer(writer, await reader.readuntil(b"\r\n\r\n"))
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port.set_result(server.sockets[0].getsockname()[1])
    await over.wait()
    server.close()
    await asyncio.sleep(0.05)  # asyncio itself is still letting in who came last
    for talk_under_way in talks:
        talk_under_way.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
    await asyncio.sleep(0.01)  # transports close a turn of the loop later


@contextmanager
def tiny_server(answer: Answer) -> Iterator[Target]:
    """Serve until the block ends; gives its target."""
    loop, over, port = asyncio.new_event_loop(), asyncio.Event(), Future[int]()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(answer, port, over),))
    thread.start()
    try:
        yield Target("127.0.0.1", port.result(5))
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(5)
        loop.close()
