"""A TCP proxy that can misbehave in every way in which a network or a server does.

It runs in a process of its own, so that it takes no time from who measures. Its mode changes at
any time, for new and for established connections alike; a connection that hung once never answers
again, as one whose other end is gone.

`python -m tests.faults.proxy HOST PORT` prints the port that it listens on, then reads one `Fault`
a line, as JSON, and prints `ok` when it is in force.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from random import Random
from typing import cast

import msgspec

HOST = "127.0.0.1"


class Kind(StrEnum):
    """What the proxy does to what passes."""

    PASS = "pass"
    REFUSE = "refuse"
    HANG = "hang"
    SLOW = "slow"
    CUT = "cut"
    GARBAGE = "garbage"
    DRIP = "drip"


class Fault(msgspec.Struct, frozen=True):
    """A mode of the proxy.

    Attributes:
        kind: Nothing; refuse and reset connections; accept, swallow and never answer; answer late;
            forward a part of an answer, then close; answer something else; one byte at a time.
        ms: Of SLOW, how much later each answer comes; of DRIP, the time between two bytes.
    """

    kind: Kind = Kind.PASS
    ms: float = 0.0


_PASS = Fault()
_LIES = (
    b"*1000000000\r\n",  # a Redis array that never ends
    b"$99999999999\r\n",  # a string larger than any memory
    b"$-7\r\n",
    b":not a number\r\n",
    b"+OK",
    b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    b'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"a": nul',
    b"HTTP/1.1 999 \xff\r\n\r\n",
)
"""What a parser of Redis or HTTP takes for the beginning of something."""
_RESET = struct.pack("ii", 1, 0)


class _Far(asyncio.Protocol):
    """The connection to the server."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        self._near.answered(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._near.finish()


class _Near(asyncio.Protocol):
    """The connection from a client, and what is on its way to it."""

    def __init__(self, proxy: _Proxy) -> None:
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._asked: list[bytes] = []
        self._due: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._hung = False
        self._transport: asyncio.Transport | None = None
        self._far: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._proxy.near.add(self)
        self._opening = self._loop.create_task(self._open())

    def data_received(self, data: bytes) -> None:
        self._hung = self._hung or self._proxy.fault.kind is Kind.HANG
        if self._hung:
            return
        if self._far is None:
            self._asked.append(data)
        else:
            self._far.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._proxy.near.discard(self)
        self._transport = None
        if self._far is not None:
            self._far.abort()

    def answered(self, data: bytes) -> None:
        """Pass on what the server says, as the fault has it."""
        fault = self._proxy.fault
        self._hung = self._hung or fault.kind is Kind.HANG
        now = self._loop.time()
        if self._hung:
            return
        if fault.kind is Kind.DRIP:
            last = self._due[-1][0] if self._due else now
            for place, byte in enumerate(data, start=1):
                self._put(max(last, now) + place * fault.ms / 1_000, bytes([byte]))
        elif fault.kind is Kind.CUT:
            self._put(now, data[: self._proxy.random.randrange(len(data))])
            self._put(now, None)
        elif fault.kind is Kind.GARBAGE:
            self._put(now, self._proxy.nonsense(len(data)))
        else:
            self._put(now + (fault.ms / 1_000 if fault.kind is Kind.SLOW else 0.0), data)

    def finish(self) -> None:
        """Close once everything is delivered; a connection that hangs stays open."""
        if not self._hung:
            self._put(self._loop.time(), None)

    def hurry(self) -> None:
        """Deliver at once whatever is on its way, as a link does that is fast again."""
        now = self._loop.time()
        self._due = deque((now, data) for _, data in self._due)
        self._deliver()

    def reset(self) -> None:
        """End as a server does whose process died."""
        if self._transport is not None:
            with suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                )
            self._transport.abort()

    async def _open(self) -> None:
        try:
            transport, _ = await self._loop.create_connection(
                lambda: _Far(self), *self._proxy.target
            )
        except OSError:
            self.reset()
            return
        self._far = transport
        self._far.writelines(self._asked)
        if self._transport is None:
            self._far.abort()

    def _put(self, due: float, data: bytes | None) -> None:
        """Deliver then, but never before what came earlier; None closes."""
        self._due.append((max(due, self._due[-1][0]) if self._due else due, data))
        if len(self._due) == 1:
            self._deliver()

    def _deliver(self) -> None:
        while self._due and self._due[0][0] <= self._loop.time():
            _, data = self._due.popleft()
            if self._transport is None or self._hung:
                continue
            if data is None:
                self._transport.close()
            else:
                self._transport.write(data)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0][0], self._deliver) if self._due else None


class _Proxy:
    """Listens, and knows the mode.

    Args:
        target: The server that is really asked.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.fault = _PASS
        self.near: set[_Near] = set()
        self.random = Random(7)  # noqa: S311 - picks what breaks, nothing secret
        # Bound and never listening: it keeps the port while nobody listens there.
        self._keeper = _bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self._server: asyncio.Server | None = None

    async def use(self, fault: Fault) -> None:
        """Behave like this from now on."""
        dripped = self.fault.kind is Kind.DRIP
        self.fault = fault
        for near in tuple(self.near) if dripped else ():
            near.hurry()
        if fault.kind is Kind.REFUSE:
            if self._server is not None:
                self._server.close()
                self._server = None
            for near in tuple(self.near):
                near.reset()
        elif self._server is None:
            loop = asyncio.get_running_loop()
            sock = _bound(self.port)
            self._server = await loop.create_server(lambda: _Near(self), sock=sock, backlog=512)

    def nonsense(self, length: int) -> bytes:
        """Something that is no answer."""
        choice = self.random.randrange(2 * len(_LIES))
        return _LIES[choice] if choice < len(_LIES) else self.random.randbytes(length)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made


async def run(target: tuple[str, int]) -> None:
    """Misbehave as standard input says, until it ends."""
    proxy = _Proxy(target)
    await proxy.use(_PASS)
    say(str(proxy.port))
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        await proxy.use(msgspec.json.decode(line, type=Fault))
        say("ok")


def say(line: str) -> None:
    """Print a line for the process that started this one."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class FaultProxy:
    """A proxy in a process of its own, as its user sees it.

    Args:
        process: That process.
        port: Where it listens, on `HOST`.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    def use(self, kind: Kind, ms: float = 0.0) -> None:
        """Behave like this from now on; returns when it is so."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(Fault(kind, ms)) + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"ok\n"


@contextmanager
def fault_proxy(port: int) -> Iterator[FaultProxy]:
    """A proxy in front of a port of this machine, that passes everything at first."""
    command = [sys.executable, "-m", "tests.faults.proxy", HOST, str(port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - ourselves
        assert process.stdout is not None
        try:
            yield FaultProxy(process, int(process.stdout.readline()))
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(run((sys.argv[1], int(sys.argv[2]))))
