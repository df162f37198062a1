"""What happens around every request, as one pure ASGI layer: id, limits, headers, count, log.

The log line has the route's template, never the path or the query: they may name a person.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple

import structlog
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.clock import SystemClock
from features.errors import HomingError
from features.logs import line_writer
from features.tokens import token
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
_log = structlog.get_logger("homing.access")


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scope pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope["headers"])
        scope[NOTES] = {}
        reply = _Reply(send, request_id)
        try:
            if _length(scope["headers"]) > MAX_BODY:
                await respond(*problem_of(too_large()))(scope, receive, reply.send)
            elif scope["path"] == FETCH and scope["method"] in _READING:
                await self._template(scope, receive, reply)
            else:
                with structlog.contextvars.bound_contextvars(request_id=request_id):
                    await self._app(scope, receive, reply.send)
        except Exception:  # noqa: BLE001 - the last resort: nobody sees a traceback
            await self._unforeseen(scope, receive, reply)
        finally:
            self._note(scope, reply, time.perf_counter() - began)

    async def _template(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        """Answer a template."""
        scope["route"] = _TEMPLATE
        try:
            answer = await self._fetch.answer(scope)
        except HomingError as error:
            await respond(*problem_of(error))(scope, receive, reply.send)
            return
        scope[NOTES] = {"customer": answer.attempt.ask.customer, "rung": answer.choice.served_by}
        await reply.send_slate(answer.body)

    async def _unforeseen(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        self._metrics.internal.inc()
        route, request_id = _route(scope), reply.request_id
        _log.exception("request failed", method=scope["method"], route=route, request_id=request_id)
        if reply.status == 0:
            await respond(internal())(scope, receive, reply.send)

    def _note(self, scope: Scope, reply: _Reply, seconds: float) -> None:
        route, status, notes = _route(scope), reply.status, scope[NOTES]
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.note_request(method, route, status, seconds)
        milliseconds = round(1_000 * seconds, 3)
        if self._write is not None and "rung" in notes:
            moment = self._clock.now().isoformat()
            self._write(_slate_line(method, milliseconds, reply.request_id, notes, moment))
            return
        say = _log.debug if route in _QUIET else _log.info
        say(
            "request",
            method=method,
            route=route,
            status=status,
            ms=milliseconds,
            request_id=reply.request_id,
            **notes,
        )


def _slate_line(
    method: str, milliseconds: float, request_id: str, notes: Mapping[str, str], moment: str
) -> bytes:
    """The line of a slate, as the logger would make it in three times the time.

    None of the parts has anything in it that JSON would escape.
    """
    return (
        f'{{"event":"request","method":"{method}","route":"{FETCH}","status":200,'
        f'"ms":{milliseconds},"request_id":"{request_id}","customer":"{notes["customer"]}",'
        f'"rung":"{notes["rung"]}","level":"info","timestamp":"{moment[:-6]}Z"}}'
    ).encode()


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


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's id when it is sane, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return token()


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The declared length of the body; 0 when it is not declared."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            # A number of any length is refused by its digits alone.
            return int(value) if len(value) < 16 else MAX_BODY + 1  # noqa: PLR2004 - digits
    return 0


def _route(scope: Scope) -> str:
    """The template of the route that answers; FastAPI and `Named` routes leave theirs."""
    return getattr(scope.get("route"), "path_format", "unmatched")
