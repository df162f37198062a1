"""What happens around every request, as one pure ASGI layer: id, limits, headers, count, log.

The log line has the route's template, never the path or the query: they may name a person.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final, NamedTuple

import structlog
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.clock import SystemClock
from features.errors import HomingError
from features.logs import line_writer
from features.tokens import token
from serving.attempt import Answer
from serving.metrics import Metrics
from serving.web.body import MAX_BODY, too_large
from serving.web.fetch import PATH as FETCH
from serving.web.fetch import Fetch
from serving.web.problems import internal, problem_of, respond

NOTES = "homing.notes"
"""Key of the scope under which a route leaves what its log line should have."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_SLATE_HEADERS = (
    # No browser goes anywhere from a slate: the others say nothing of it.
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_READING = frozenset({"GET", "HEAD"})
GATHER_SECONDS: Final = 0.01
"""How long slates wait to be counted and logged with others: in a row, that takes half the time."""
_log = structlog.get_logger("homing.access")


class _Sent(NamedTuple):
    """A slate that was sent."""

    moment: datetime
    method: str
    seconds: float
    request_id: str
    customer: str
    rung: str

    def line(self) -> bytes:
        """Its line of the log, as the logger would make it in three times the time.

        None of the parts has anything in it that JSON would escape.
        """
        return (
            f'{{"event":"request","method":"{self.method}","route":"{FETCH}","status":200,'
            f'"ms":{round(1_000 * self.seconds, 3)},"request_id":"{self.request_id}",'
            f'"customer":"{self.customer}","rung":"{self.rung}","level":"info",'
            f'"timestamp":"{self.moment.isoformat()[:-6]}Z"}}'
        ).encode()


class Around:
    """The one layer around the application, past which templates go straight to their answer.

    Args:
        app: What answers everything else.
        fetch: Answers templates.
        metrics: Count.
    """

    def __init__(self, app: ASGIApp, fetch: Fetch, metrics: Metrics) -> None:
        self._app = app
        self._fetch = fetch
        self._metrics = metrics
        self._write = line_writer("info")
        self._clock = SystemClock()
        self._sent: list[_Sent] = []
        self._due = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scope pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            self._log_sent()  # where this was the service's life, nothing comes behind it
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        scope[NOTES] = {}
        reply = _Reply(send, _request_id(headers))
        answer: Answer | None = None
        try:
            if _length(headers) > MAX_BODY:
                await respond(*problem_of(too_large()))(scope, receive, reply.send)
            elif scope["path"] == FETCH and scope["method"] in _READING:
                answer = await self._template(scope, receive, reply)
            else:
                with structlog.contextvars.bound_contextvars(request_id=reply.request_id):
                    await self._app(scope, receive, reply.send)
        except Exception:  # noqa: BLE001 - the last resort: nobody sees a traceback
            await self._unforeseen(scope, receive, reply)
        finally:
            self._note(scope, reply, answer, time.perf_counter() - began)

    async def _template(self, scope: Scope, receive: Receive, reply: _Reply) -> Answer | None:
        """Answer a template; None where it is refused."""
        scope["route"] = _TEMPLATE
        try:
            answer = await self._fetch.answer(scope)
        except HomingError as error:
            await respond(*problem_of(error))(scope, receive, reply.send)
            return None
        await reply.send_slate(answer.body)
        return answer

    async def _unforeseen(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        self._metrics.internal.inc()
        route, request_id = _route(scope), reply.request_id
        _log.exception("request failed", method=scope["method"], route=route, request_id=request_id)
        if reply.status == 0:
            await respond(internal())(scope, receive, reply.send)

    def _note(self, scope: Scope, reply: _Reply, answer: Answer | None, seconds: float) -> None:
        route, status, method = _route(scope), reply.status, scope["method"]
        if method not in _METHODS:
            method = "OTHER"
        self._metrics.note_request(method, route, status, seconds)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._log_sent)
        notes = scope[NOTES]
        if answer is not None:
            customer, rung = answer.attempt.ask.customer, answer.choice.served_by
            if self._write is not None:
                now = self._clock.now()
                self._sent.append(_Sent(now, method, seconds, reply.request_id, customer, rung))
                return
            notes = {"customer": customer, "rung": rung}
        say = _log.debug if route in _QUIET else _log.info
        say(
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(1_000 * seconds, 3),
            request_id=reply.request_id,
            **notes,
        )

    def _log_sent(self) -> None:
        """Log what was sent, and have it counted."""
        sent, self._sent, self._due = self._sent, [], False
        if self._write is not None:
            for one in sent:
                self._write(one.line())
        self._metrics.count()


class Named(Route):
    """A plain route that leaves its template for the log, as FastAPI's do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route."""
        match, child = super().matches(scope)
        return match, {**child, "route": self} if match is not Match.NONE else child


class _Template(NamedTuple):
    """Stands for the route of the template fetch, which no router looks for."""

    path_format: str


_TEMPLATE = _Template(FETCH)


class _Reply:
    """Sends a response with the headers that all have, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0

    async def send_slate(self, body: bytes) -> None:
        """Send what a template asked for."""
        self.status = HTTPStatus.OK.value
        headers = [
            *_SLATE_HEADERS,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.request_id.encode()),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [header for header in _HEADERS if header[0] not in present]
            headers.append((b"x-request-id", self.request_id.encode()))
            message = {**message, "headers": headers}
        await self._send(message)


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's id when it is sane, else a new one."""
    told = headers.get(b"x-request-id")
    return token() if told is None or not _REQUEST_ID.fullmatch(told) else told.decode()


def _length(headers: Mapping[bytes, bytes]) -> int:
    """The declared length of the body; 0 when it is not declared."""
    told = headers.get(b"content-length")
    if told is None or not told.isdigit():
        return 0
    # A number of any length is refused by its digits alone.
    return int(told) if len(told) < 16 else MAX_BODY + 1  # noqa: PLR2004 - digits


def _route(scope: Scope) -> str:
    """The template of the route that answers; FastAPI and `Named` routes leave theirs."""
    return getattr(scope.get("route"), "path_format", "unmatched")
