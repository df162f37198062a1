"""What is noted of every request: counted in metrics, and one line of the log.

The line has the route's template, never the path or the query: they may name a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

import structlog

from features.clock import SystemClock
from features.logs import line_writer
from serving.attempt import Answer
from serving.metrics import Metrics
from serving.web.fetch import PATH as FETCH

GATHER_SECONDS: Final = 0.01
"""How long slates wait to be counted and logged with others: in a row, that takes half the time."""
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_OK: Final = 200
_log = structlog.get_logger("homing.access")


class _Sent(NamedTuple):
    """A slate that was sent."""

    method: str
    seconds: float
    request_id: str
    customer: str
    rung: str

    def line(self, timestamp: str) -> bytes:
        """Its line of the log, as the logger would make it in three times the time.

        None of the parts has anything in it that JSON would escape.
        """
        return (
            f'{{"event":"request","method":"{self.method}","route":"{FETCH}","status":200,'
            f'"ms":{1_000 * self.seconds:.3f},"request_id":"{self.request_id}",'
            f'"customer":"{self.customer}","rung":"{self.rung}","level":"info",'
            f'"timestamp":"{timestamp}"}}'
        ).encode()


class Access:
    """Notes requests, in the loop that answers them.

    Args:
        metrics: Count.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._write = line_writer("info")
        self._clock = SystemClock()
        self._sent: list[_Sent] = []
        self._due = False

    def note(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
        notes: Mapping[str, object],
    ) -> None:
        """Note a request that was answered.

        Args:
            method: Of HTTP.
            route: The template of its path.
            status: Of the response.
            seconds: From its arrival to the response.
            request_id: Its name.
            notes: What else the line says.
        """
        if method not in _METHODS:
            method = "OTHER"
        self._count(method, route, status, seconds)
        say = _log.debug if route in _QUIET else _log.info
        say(
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(1_000 * seconds, 3),
            request_id=request_id,
            **notes,
        )

    def note_slate(self, method: str, answer: Answer, seconds: float, request_id: str) -> None:
        """Note a template fetch that got its slate; the method is GET or HEAD."""
        customer, rung = answer.attempt.ask.customer, answer.choice.served_by
        if self._write is None:
            notes = {"customer": customer, "rung": rung}
            self.note(method, FETCH, _OK, seconds, request_id, notes)
            return
        self._count(method, FETCH, _OK, seconds)
        self._sent.append(_Sent(method, seconds, request_id, customer, rung))

    def write(self) -> None:
        """Log what was sent, all of it as of now, and have it counted."""
        sent, self._sent, self._due = self._sent, [], False
        if self._write is not None:
            timestamp = f"{self._clock.now().isoformat()[:-6]}Z"
            for one in sent:
                self._write(one.line(timestamp))
        self._metrics.count()

    def _count(self, method: str, route: str, status: int, seconds: float) -> None:
        self._metrics.note_request(method, route, status, seconds)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self.write)
