"""Load on an HTTP server from one process: closed loop, and open loop without coordinated omission.

In a closed loop each connection asks again as soon as it was answered: that finds a server's peak.
In an open loop requests fall due at given moments, whatever the server does, and a latency counts
from the moment at which its request was due (Tene, "How NOT to Measure Latency", 2015): a server
that stalls can't hide those that had to wait for it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import uvloop
from numpy.typing import NDArray

from features.errors import Unavailable
from homing.rehearsal.measured import Measured
from homing.rehearsal.wire import NONE_CAME, Connection, Target

AGAIN_SECONDS: Final = 0.05
"""Before a connection that was lost is opened again."""
SETTLE_SECONDS: Final = 0.3
"""From opening connections to the first request: people's own connections are not new either."""
GRACE_SECONDS: Final = 10.0
"""How long answers are waited for after the last request."""
NEVER: Final = float("inf")

Heard = Callable[[int, int, bytes], None]
_Result = TypeVar("_Result")


def evenly(rate: float, requests: int) -> NDArray[np.float64]:
    """Moments at which requests fall due, so many a second; (requests,), seconds."""
    return np.arange(requests) / rate


def poisson(rate: float, requests: int, seed: int = 0) -> NDArray[np.float64]:
    """The same of people who know nothing of each other: so many a second on average."""
    gaps = np.random.default_rng(seed).exponential(1.0 / rate, requests)
    return np.asarray(np.cumsum(gaps))


@dataclass(frozen=True)
class Sending:
    """How requests are sent.

    Attributes:
        target: Where.
        connections: At most so many at once.
        patience: Seconds after which a request that no connection was free for is not sent.
        grace: Seconds that answers are waited for after the last request.
        heard: Called for every answer with its request's number, the status and the body; None
            where statuses and times are enough.
    """

    target: Target
    connections: int = 64
    patience: float = NEVER
    grace: float = GRACE_SECONDS
    heard: Heard | None = None


def closed_loop(sending: Sending, requests: Sequence[bytes], seconds: float) -> Measured:
    """Ask again as soon as answered, on all connections, for so long.

    Args:
        sending: How.
        requests: Sent in turn, and again from the first.
        seconds: Of sending; what is under way then is waited for, and counts.

    Raises:
        Unavailable: Nothing listens there.
    """
    return _run(lambda: _Closed(sending, requests, seconds).run())


def open_loop(sending: Sending, requests: Sequence[bytes], due: NDArray[np.float64]) -> Measured:
    """Send each request when it falls due.

    Event loops sleep by the millisecond, so that latencies may be up to one too high.

    Args:
        sending: How.
        requests: Sent in turn, and again from the first.
        due: Seconds from the start, ascending; one for each request that is to be sent.

    Raises:
        Unavailable: Nothing listens there.
    """
    return _run(lambda: _Open(sending, requests, due).run())


class _Load(ABC):
    """What both loops share: connections, and the record of what came back."""

    def __init__(self, sending: Sending, requests: Sequence[bytes]) -> None:
        self._sending = sending
        self._requests = requests
        self._connections: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._under_way: dict[int, float] = {}
        self._statuses, self._numbers = array("h"), array("q")
        self._seconds, self._due = array("d"), array("d")
        self._began = self._ended = 0.0
        self._over, self._quiet = asyncio.Event(), asyncio.Event()

    async def run(self) -> Measured:
        """All of it, from opening connections to closing them."""
        await asyncio.gather(*(self._open() for _ in range(self._sending.connections)))
        if not self._connections:
            place = f"{self._sending.target.host}:{self._sending.target.port}"
            message = f"{place} can't be connected to: start what should answer there"
            raise Unavailable(message)
        # The server takes them in one after the other: whoever was first would wait for all.
        await asyncio.sleep(SETTLE_SECONDS)
        self._began = time.perf_counter()
        self._start()
        await self._over.wait()
        await self._drain()
        unsent = self._unsent()
        self._close()
        return Measured(
            statuses=np.array(self._statuses, np.int16),
            seconds=np.array(self._seconds),
            due=np.array(self._due),
            numbers=np.array(self._numbers, np.int64),
            unsent=unsent,
            took=max(self._ended, np.finfo(float).tiny),
        )

    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    @abstractmethod
    def _start(self) -> None:
        """Begin to send."""

    @abstractmethod
    def _use(self, connection: Connection) -> None:
        """Send on a connection that is free, or keep it for later."""

    @abstractmethod
    def _unsent(self) -> int:
        """How many requests were given up."""

    def _send(self, connection: Connection, number: int, due: float) -> None:
        self._under_way[number] = due
        connection.ask(number, self._requests[number % len(self._requests)])

    def _answered(self, connection: Connection, number: int, status: int, body: bytes) -> None:
        self._record(number, status)
        if self._sending.heard is not None:
            self._sending.heard(number, status, body)
        if connection.usable:
            self._use(connection)

    def _record(self, number: int, status: int) -> None:
        due = self._under_way.pop(number, None)
        if due is None:
            return  # it was given up, and counted then
        self._ended = self.now()
        self._statuses.append(status)
        self._numbers.append(number)
        self._seconds.append(self._ended - due)
        self._due.append(due)
        if self._over.is_set() and not self._under_way:
            self._quiet.set()

    def _lost(self, connection: Connection, number: int | None) -> None:
        self._connections.discard(connection)
        if number is not None:
            self._record(number, NONE_CAME)
        if not self._over.is_set():
            task = asyncio.get_running_loop().create_task(self._reopen())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _reopen(self) -> None:
        opened = False
        while not (opened or self._over.is_set()):
            await asyncio.sleep(AGAIN_SECONDS)
            opened = await self._open()

    async def _open(self) -> bool:
        """Open one more connection; whether it could be."""
        connection = Connection(self._answered, self._lost)
        try:
            await self._sending.target.connect(connection)
        except OSError:
            return False
        self._connections.add(connection)
        if self._began:
            self._use(connection)
        return True

    async def _drain(self) -> None:
        """Wait for what is under way, and give up what does not come."""
        with suppress(TimeoutError):
            if self._under_way:
                await asyncio.wait_for(self._quiet.wait(), self._sending.grace)
        for number in list(self._under_way):
            self._record(number, NONE_CAME)

    def _close(self) -> None:
        for task in self._opening:
            task.cancel()
        for connection in self._connections:
            connection.close()


class _Closed(_Load):
    """Every connection asks again as soon as it was answered."""

    def __init__(self, sending: Sending, requests: Sequence[bytes], seconds: float) -> None:
        super().__init__(sending, requests)
        self._length = seconds
        self._next = 0

    def _start(self) -> None:
        for connection in list(self._connections):
            self._use(connection)
        asyncio.get_running_loop().call_later(self._length, self._over.set)

    def _use(self, connection: Connection) -> None:
        if not self._over.is_set():
            number, self._next = self._next, self._next + 1
            self._send(connection, number, self.now())

    def _unsent(self) -> int:
        return 0


class _Open(_Load):
    """Every request is sent when it falls due, or as soon after as a connection is free."""

    def __init__(
        self, sending: Sending, requests: Sequence[bytes], due: NDArray[np.float64]
    ) -> None:
        super().__init__(sending, requests)
        self._times: list[float] = due.tolist()
        self._next = 0
        self._waiting: deque[int] = deque()
        self._free: list[Connection] = []
        self._given_up = 0

    def _start(self) -> None:
        self._free = list(self._connections)
        self._pump()

    def _use(self, connection: Connection) -> None:
        self._free.append(connection)
        self._send_waiting()

    def _unsent(self) -> int:
        return self._given_up + len(self._waiting)

    def _pump(self) -> None:
        """Send what is due, and come back when more is."""
        now, times = self.now(), self._times
        while self._next < len(times) and times[self._next] <= now:
            self._waiting.append(self._next)
            self._next += 1
        self._send_waiting()
        loop = asyncio.get_running_loop()
        if self._next == len(times):
            self._end_when_sent()
        else:
            loop.call_later(max(0.0, times[self._next] - self.now()), self._pump)

    def _end_when_sent(self) -> None:
        """The end has come when nothing waits any more, or nothing that waits can be sent."""
        self._send_waiting()
        late = self.now() - self._times[-1] if self._times else 0.0
        if not self._waiting or late > min(self._sending.patience, self._sending.grace):
            self._over.set()
        else:
            asyncio.get_running_loop().call_later(0.001, self._end_when_sent)

    def _send_waiting(self) -> None:
        earliest = self.now() - self._sending.patience
        while self._waiting and (self._free or self._times[self._waiting[0]] < earliest):
            number = self._waiting.popleft()
            if self._times[number] < earliest:
                self._given_up += 1
                continue
            connection = self._free.pop()
            if connection.usable:
                self._send(connection, number, self._times[number])
            else:
                self._waiting.appendleft(number)


def _run(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """In an event loop of its own, without pauses of the garbage collector."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work())
    finally:
        if collects:
            gc.enable()
