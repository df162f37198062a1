"""Template fetches straight from the wire: uvicorn's parser, the answer, and nothing between.

A template is asked for so often that what a server does around an application (a task for each
request, an event, messages to and fro, headers checked one by one) takes longer than the answer.
Here the parser's last header begins with the answer, and the answer is written by whoever has it.
Everything else goes the way of any ASGI server, and so does a fetch that has anything unusual
about it: a body, HTTP/1.0, a connection that is to be closed, one that is read too slowly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.attempt import Answer
from serving.web.fetch import PATH
from serving.web.middleware import SLATE_HEADERS, Around, dressed, request_id

Headers = Sequence[tuple[bytes, bytes]]

_PATH: Final = PATH.encode()
_UNUSUAL: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"proxy-connection"}
)
"""Headers of requests that are left to uvicorn."""


class Straight(HttpToolsProtocol):
    """One connection; the application that uvicorn is given must be an `Around`."""

    # Not what uvicorn says they are, or more than it says.
    app: Any
    cycle: Any
    scope: Any

    _rested: object = None
    _rests_since = 0.0
    _alarm: asyncio.TimerHandle | None = None

    def on_headers_complete(self) -> None:
        """Begin with the answer: a template's at once, all others as uvicorn does."""
        path, _, query = self.url.partition(b"?")
        if path == _PATH and b"#" not in query:
            headers = dict(self.headers)
            if self._may_go_straight(headers):
                scope = self.scope
                scope["method"] = "GET"
                scope["path"] = PATH
                scope["query_string"] = query
                self.cycle = _Turn(self, headers)
                self.cycle.begin(scope)
                return
        super().on_headers_complete()

    def _may_go_straight(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether nothing is unusual, and nobody is being answered on the connection."""
        parser, before = self.parser, self.cycle
        return (
            parser.get_method() == b"GET"
            and (before is None or before.response_complete)
            and not self.flow.write_paused
            and _UNUSUAL.isdisjoint(headers)
            and parser.should_keep_alive()
            # Without that header no HTTP/1.0 is kept alive, and to ask takes longer than all else.
            and (b"connection" not in headers or parser.get_http_version() == "1.1")
        )

    def rest(self) -> None:
        """A template was answered: begin with what came behind it, or wait, not for ever.

        uvicorn sets a timer after each answer and takes it back at the next request. One that
        goes on, and looks when it is due how long nothing has come, costs next to nothing.
        """
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._rested, self._rests_since = self.scope, self.loop.time()
        if self._alarm is None:
            self._alarm = self.loop.call_later(self.timeout_keep_alive, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: it is gone."""
        if self._alarm is not None:
            self._alarm.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close the connection if nothing has come for long enough."""
        self._alarm = None
        if self._rested is not self.scope:
            return  # something came: whoever answers it sees to what is next
        left = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._alarm = self.loop.call_later(left, self._look)
        else:
            self.timeout_keep_alive_handler()


class _Nobody:
    """Stands for an event that nobody waits for."""

    def set(self) -> None:
        """Wake nobody."""


class _Turn:
    """A fetch that is being answered: who waits for the answer, and uvicorn's cycle in one.

    Nothing that goes wrong here is raised: whoever has the answer has those of others too.

    Args:
        connection: That it came on.
        headers: The last of each name.
    """

    message_event = _Nobody()

    def __init__(self, connection: Straight, headers: Mapping[bytes, bytes]) -> None:
        self._connection = connection
        self._around: Around = connection.app
        self._began = time.perf_counter()
        self.request_id = request_id(headers)
        # What uvicorn looks at; what else it sets here, nobody asks for.
        self.response_complete = False
        self.keep_alive = True

    def begin(self, scope: dict[str, Any]) -> None:
        """Have the answer made, of what ASGI would tell of the request."""
        self._around.fetch.begin(scope, self)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the connection belongs to."""
        return self._connection.loop

    def done(self) -> bool:
        """Whether nobody waits any more."""
        # Of two requests in a row uvicorn tells the last alone that its connection was lost.
        return self.response_complete or self._connection.transport.is_closing()

    def set_result(self, answer: Answer) -> None:
        """Send the answer."""
        try:
            head, closes = _slate_head.of(self._connection.server_state.default_headers)
            self._send(head, answer.body, closes=closes)
            seconds = time.perf_counter() - self._began
            self._around.access.note_slate("GET", answer, seconds, self.request_id)
        except Exception as error:  # noqa: BLE001 - nobody sees a traceback
            self.set_exception(error)

    def set_exception(self, error: Exception) -> None:
        """Send why there is no answer; who has one already gets no other."""
        response = self._around.refusal(error, "GET", PATH, self.request_id)
        if self.done():
            return
        headers = [*self._connection.server_state.default_headers, *dressed(response.raw_headers)]
        head, closes = _written(response.status_code, headers)
        self._send(head, bytes(response.body), closes=closes)
        seconds = time.perf_counter() - self._began
        status = response.status_code
        self._around.access.note("GET", PATH, status, seconds, self.request_id, {})

    def _send(self, head: bytes, body: bytes, *, closes: bool) -> None:
        """Write a response in one piece, and let the next request of the connection come."""
        self.response_complete = True
        connection = self._connection
        transport = connection.transport
        end = b"\r\n\r\n" if self.keep_alive or closes else b"\r\nconnection: close\r\n\r\n"
        length = b"content-length: %d\r\nx-request-id: " % len(body)
        transport.write(b"".join((head, length, self.request_id.encode(), end, body)))
        if closes or not self.keep_alive:
            transport.close()
        connection.rest()


class _SlateHead:
    """The head of answers, but for what is each one's own."""

    def __init__(self) -> None:
        self._defaults: Headers | None = None
        self._head = b""
        self._closes = False

    def of(self, defaults: Headers) -> tuple[bytes, bool]:
        """The head, and whether it closes the connection.

        Args:
            defaults: What uvicorn puts before all; another object whenever it has changed.
        """
        if self._defaults is not defaults:
            self._head, self._closes = _written(200, [*defaults, *SLATE_HEADERS])
            self._defaults = defaults
        return self._head, self._closes


def _written(status: int, headers: Headers) -> tuple[bytes, bool]:
    """The head of a response as HTTP has it, without its end, and whether it closes."""
    own = [(name, value) for name, value in headers if name != b"content-length"]
    lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in own)]
    return b"".join(lines), (b"connection", b"close") in own


_slate_head = _SlateHead()
