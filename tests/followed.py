"""What the tests of feeds share: what a feed says, and what takes from it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


@contextmanager
def running(stream: Stream) -> Iterator[Taken]:
    """A stream that runs in a thread of its own until the block ends; gives what takes from it."""
    take = Taken(999)
    thread = threading.Thread(target=stream.run, args=(take, take.stop))
    thread.start()
    try:
        yield take
    finally:
        take.stop.set()
        thread.join()


def wait_for(found: Callable[[], bool], seconds: float = 10) -> None:
    """Return once something is so."""
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, "it never was so"
        time.sleep(0.01)


def content_of(folder: Path) -> bytes:
    """Everything that all files of a folder hold."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
