"""What happens around every request, as one pure ASGI layer: id, limits, headers, count, log."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

import structlog
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import HomingError
from features.tokens import token
from serving.attempt import Answer
from serving.metrics import Metrics
from serving.web.access import Access
from serving.web.body import MAX_BODY, too_large
from serving.web.fetch import PATH as FETCH
from serving.web.fetch import Fetch
from serving.web.problems import internal, problem_of, respond

NOTES = "homing.notes"
"""Key of the scope under which a route leaves what its log line should have."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
SLATE_HEADERS: Final = (
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

    Attributes:
        fetch: Answers templates.
        access: Notes what was answered.
    """

    def __init__(self, app: ASGIApp, fetch: Fetch, metrics: Metrics) -> None:
        self._app = app
        self.fetch = fetch
        self._metrics = metrics
        self.access = Access(metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of scope pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            self.access.write()  # where this was the service's life, nothing comes behind it
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        scope[NOTES] = {}
        reply = _Reply(send, request_id(headers))
        answer: Answer | None = None
        try:
            if _length(headers) > MAX_BODY:
                await respond(*problem_of(too_large()))(scope, receive, reply.send)
            elif scope["path"] == FETCH and scope["method"] in _READING:
                scope["route"] = _TEMPLATE
                answer = await self.fetch.answer(scope)
                await reply.send_slate(answer.body)
            else:
                with structlog.contextvars.bound_contextvars(request_id=reply.request_id):
                    await self._app(scope, receive, reply.send)
        except Exception as error:  # noqa: BLE001 - the last resort: nobody sees a traceback
            answer = None
            refusal = self.refusal(error, scope["method"], _route(scope), reply.request_id)
            if reply.status == 0:
                await refusal(scope, receive, reply.send)
        finally:
            self._note(scope, reply, answer, time.perf_counter() - began)

    def refusal(self, error: Exception, method: str, route: str, request_id: str) -> Response:
        """The response for an error; one that nobody foresaw is counted and logged.

        Args:
            error: What went wrong.
            method: Of the request.
            route: The template of its path.
            request_id: Its name.
        """
        if isinstance(error, HomingError):
            return respond(*problem_of(error))
        self._metrics.internal.inc()
        _log.error(
            "request failed",
            method=method,
            route=route,
            request_id=request_id,
            exc_info=error,
        )
        return respond(internal())

    def _note(self, scope: Scope, reply: _Reply, answer: Answer | None, seconds: float) -> None:
        method, request_id = scope["method"], reply.request_id
        if answer is None:
            notes = scope[NOTES]
            self.access.note(method, _route(scope), reply.status, seconds, request_id, notes)
        else:
            self.access.note_slate(method, answer, seconds, request_id)


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
            *SLATE_HEADERS,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.request_id.encode()),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = dressed(message.get("headers", ()))
            headers.append((b"x-request-id", self.request_id.encode()))
            message = {**message, "headers": headers}
        await self._send(message)


def dressed(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers of a response, and those that all have."""
    given = list(headers)
    present = {name.lower() for name, _ in given}
    return given + [header for header in _HEADERS if header[0] not in present]


def request_id(headers: Mapping[bytes, bytes]) -> str:
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
