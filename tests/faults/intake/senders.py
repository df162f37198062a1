"""Senders that send again until they are told that it is kept, as shops and platforms do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final

import httpx

from features.event import Event
from tests.faults.intake.telling import Tells, Told
from tests.faults.proxy import HOST

TAKEN: Final = frozenset({200, 202})
LATER: Final = frozenset({429, 503})
"""What an intake may say while something behind it is down."""
AGAIN_SECONDS: Final = 0.1
PATIENCE: Final = 120.0
"""Seconds within which everything must be taken in the end."""


class Sender:
    """One sender.

    Args:
        tells: Makes its requests.
        size: Events of a request.
        rate: Requests in a second, at most.
        numbers: Gives the number of its next event.
        port: Of the intake.

    Attributes:
        events: What was acknowledged.
        asked: Status of each answer → how often; 0 where there was none.
    """

    def __init__(
        self, tells: Tells, size: int, rate: float, numbers: Iterator[int], port: int
    ) -> None:
        self._tells = tells
        self._size = size
        self._pause = 1 / rate
        self._numbers = numbers
        self._address = f"http://{HOST}:{port}"
        self.events: list[Event] = []
        self.asked: Counter[int] = Counter()
        self.fault: BaseException | None = None

    def run(self, enough: Callable[[], bool]) -> None:
        """Send until it is enough; what was begun is sent until it is acknowledged."""
        try:
            with httpx.Client(base_url=self._address, timeout=15) as client:
                while not enough():
                    told = self._tells([next(self._numbers) for _ in range(self._size)])
                    self.push(client, told)
                    time.sleep(self._pause)
        except BaseException as fault:  # noqa: BLE001 - whoever waits for the thread raises it
            self.fault = fault

    def push(self, client: httpx.Client, told: Told) -> None:
        """One request, until it is acknowledged."""
        deadline = time.monotonic() + PATIENCE
        while not self._pushed(client, told):
            assert time.monotonic() < deadline, f"{told.path} is not taken: {self.asked}"
            time.sleep(AGAIN_SECONDS)
        self.events += told.events

    def _pushed(self, client: httpx.Client, told: Told) -> bool:
        try:
            answer = client.post(told.path, content=told.body, headers=dict(told.headers))
        except httpx.TransportError:
            self.asked[0] += 1
            return False
        self.asked[answer.status_code] += 1
        assert answer.status_code in TAKEN | LATER, f"{answer.status_code}: {answer.text}"
        return answer.status_code in TAKEN


@contextmanager
def sending(kinds: Sequence[tuple[Tells, int]], rate: float, port: int) -> Iterator[list[Sender]]:
    """Senders at work until the block ends; then all that they began is acknowledged.

    Args:
        kinds: What makes each sender's requests, and how many events are in one.
        rate: Requests in a second of each, at most.
        port: Of the intake.
    """
    done = threading.Event()
    senders = [Sender(tells, size, rate, count(), port) for tells, size in kinds]
    threads = [threading.Thread(target=sender.run, args=[done.is_set]) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield senders
    finally:
        done.set()
        for thread in threads:
            thread.join()
    for sender in senders:
        if sender.fault is not None:
            raise sender.fault
