"""Server-sent events, as the standard has them: named messages over HTTP, with ids to go on from.

Read by httpx and httpx-sse (https://html.spec.whatwg.org/multipage/server-sent-events.html): the
last id is asked for as `Last-Event-ID`, `retry:` says how long to wait, and 204 ends the feed. A
batch is what one read of the connection brings: what waits while a batch is kept stays in the
system's buffer, and then with the feed.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import httpx
import msgspec
from httpx_sse import EventSource, ServerSentEvent

from features.errors import SettingsError
from homing.declaring import filled
from homing.follow.blocks import Blocks
from homing.follow.connecting import (
    CONNECT_SECONDS,
    Around,
    Lost,
    credentials,
    filled_headers,
    keep_connected,
)
from homing.follow.declared import Sse
from homing.follow.positions import Positions
from homing.follow.stream import Message, Take
from homing.patience import AGAIN, retry_after

KIND: Final = "message"
"""Of what the feed gives no name."""
FORM: Final = "text/event-stream"
MOST_ID: Final = 1_000
"""Characters of an id that is asked for."""
LOOK_SECONDS: Final = 0.1
"""Between two looks whether to stop."""
_PLAIN: Final = {"Content-Type": f"{FORM}; charset=utf-8"}


class Asked(NamedTuple):
    """What is asked for.

    Attributes:
        url: Where.
        params: Of the query.
        headers: Who we are among them.
    """

    url: str
    params: dict[str, str]
    headers: dict[str, str]


class SseStream:
    """A feed of server-sent events.

    Args:
        sse: What it is.
        around: What it has around it.

    Raises:
        SettingsError: A variable is not set or can't be used.
        StoreUnavailable: Its position can't be read.
    """

    def __init__(self, sse: Sse, around: Around) -> None:
        self._sse = sse
        self._around = around
        self._asked = _asked(sse, around.value_of)
        self._positions = Positions(around.folder)
        self._retry: float | None = None

    def run(self, take: Take, stop: threading.Event) -> None:
        """See Stream.run."""
        timeout = httpx.Timeout(CONNECT_SECONDS, read=self._sse.silence)
        with httpx.Client(timeout=timeout) as client:
            keep_connected(lambda: self._follow(client, take, stop), stop, self._around.lost)

    def _follow(self, client: httpx.Client, take: Take, stop: threading.Event) -> Lost | None:
        """Take from one connection until it is lost; None when the feed has ended for good."""
        asked, moved = self._asked, threading.Event()
        headers = [(name.encode(), value.encode()) for name, value in asked.headers.items()]
        if self._positions.position:
            headers.append((b"Last-Event-ID", self._positions.position.encode()))
        try:
            with client.stream("GET", asked.url, params=asked.params, headers=headers) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return None
                passing = self._refused(response)
                if passing is not None:
                    return passing
                with _cut_short(response, stop):
                    self._take(response, take, moved)
        except (httpx.NetworkError, httpx.TimeoutException) as error:
            reason = f"{type(error).__name__}: {error}"
        except (httpx.InvalidURL, httpx.LocalProtocolError) as error:
            message = "the feed can't be asked so: mend sse.url and sse.headers"
            raise SettingsError(message) from error
        except httpx.TransportError as error:
            reason = type(error).__name__  # its text may show what came, which may name a person
        else:
            reason = "the feed has closed the connection"
        return Lost(reason, self._retry, moved=moved.is_set())

    def _refused(self, response: httpx.Response) -> Lost | None:
        """Why a feed does not talk to us, if it may later.

        Raises:
            SettingsError: It won't.
        """
        status = response.status_code
        if status in AGAIN:
            asked = retry_after(response.headers.get("Retry-After", ""), self._around.clock.now())
            waits = [one for one in (asked, self._retry) if one is not None]
            return Lost(f"the feed answers {status}", max(waits, default=None))
        form = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        packed = response.headers.get("Content-Encoding", "identity")
        if status != httpx.codes.OK:
            message = f"the feed answers {status}: see to sse.url and to the variables of its auth"
        elif form != FORM:
            message = f"the feed answers no {FORM}: see to sse.url"
        elif packed != "identity":
            message = "the feed answers compressed, which was not asked for: see to the server"
        else:
            return None
        raise SettingsError(message)

    def _take(self, response: httpx.Response, take: Take, moved: threading.Event) -> None:
        blocks, last = Blocks(self._sse.most_bytes), self._positions.position
        for chunk in response.iter_raw():
            messages: list[Message] = []
            for cut, those in groupby(blocks.add(chunk), key=attrgetter("cut")):
                if cut:
                    messages += [Message("", "", one.content, self._too_long()) for one in those]
                    continue
                for event in _events(b"".join(one.content for one in those)):
                    last = event.id if _is_position(event.id) else last
                    if event.retry is not None:
                        self._retry = max(event.retry, 0) / 1_000
                    if event.data:
                        messages.append(self._message(event, last))
            if messages:
                take(messages)
                moved.set()
            self._positions.keep(last)

    def _message(self, event: ServerSentEvent, last: str) -> Message:
        kind, body = event.event or KIND, event.data.encode()
        if self._sse.envelope:
            body = msgspec.json.encode({"event": kind, "id": last, "data": _json(body)})
        return Message(last, kind, body)

    def _too_long(self) -> str:
        most = self._sse.most_bytes
        return f"longer than {most:,} bytes, and cut there; raise sse.most_bytes for the next"


def _asked(sse: Sse, value_of: Callable[[str], str]) -> Asked:
    plain = {"Accept": FORM, "Cache-Control": "no-store", "Accept-Encoding": "identity"}
    params = {key: str(filled(one, value_of)) for key, one in sse.params.items()}
    return Asked(
        url=str(filled(sse.url, value_of)),
        params=params | credentials(sse.auth, value_of)[1],
        headers=filled_headers(sse.headers, sse.auth, value_of) | plain,
    )


def _events(whole: bytes) -> Iterator[ServerSentEvent]:
    return EventSource(httpx.Response(200, headers=_PLAIN, content=whole)).iter_sse()


def _is_position(text: str) -> bool:
    """Whether an id can be asked for."""
    return 0 < len(text) <= MOST_ID and text.isprintable() and text == text.strip()


def _json(data: bytes) -> object:
    """What stands in an envelope: JSON as it is, anything else as text."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data.decode()
    return msgspec.Raw(data)


@contextmanager
def _cut_short(response: httpx.Response, stop: threading.Event) -> Iterator[None]:
    """End the reading of a response once told to stop: its socket is shut under it.

    (https://www.python-httpx.org/advanced/extensions/#network_stream)
    """
    found: socket.socket | None = response.extensions["network_stream"].get_extra_info("socket")
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if stop.is_set() and found is not None:
                with suppress(OSError):
                    # Not by the method of a socket of TLS, which changes it under its reader.
                    socket.socket.shutdown(found, socket.SHUT_RDWR)
                return

    thread = threading.Thread(target=watch, name="stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
