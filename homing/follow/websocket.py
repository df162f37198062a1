"""WebSockets (RFC 6455), as the library `websockets` speaks them.

What is subscribed to is sent after connecting, and where to go on stands in the messages
(`frames.py`). A batch is what waits when one is taken: the library holds a few frames, and leaves
the rest with the feed. It does not ping by itself here: a pong would not be seen while a batch
waits to be kept (https://websockets.readthedocs.io/en/stable/topics/keepalive.html).
"""

from __future__ import annotations

import threading
import time
from typing import Final

from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from features.errors import SettingsError
from homing.follow.connecting import CONNECT_SECONDS, Around, Lost, filled_headers, keep_connected
from homing.follow.declared import WebSocket
from homing.follow.frames import Frames
from homing.follow.positions import Positions
from homing.follow.stream import Message, Take
from homing.patience import AGAIN, retry_after

LOOK_SECONDS: Final = 0.2
"""Between two looks whether to stop."""
CLOSE_SECONDS: Final = 0.5
QUEUE: Final = 64
"""Frames that the library holds, each of `most_bytes` at most."""
BATCH: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024
"""Messages, and bytes of them, that are taken at once."""


class WebSocketStream:
    """A feed over a WebSocket.

    Args:
        socket: What it is.
        around: What it has around it.

    Raises:
        SettingsError: A variable is not set or can't be used.
        StoreUnavailable: Its position can't be read.
    """

    def __init__(self, socket: WebSocket, around: Around) -> None:
        self._socket = socket
        self._around = around
        self._headers = filled_headers(socket.headers, socket.auth, around.value_of)
        self._frames = Frames(socket, around.value_of)
        self._positions = Positions(around.folder)

    def run(self, take: Take, stop: threading.Event) -> None:
        """See Stream.run."""
        keep_connected(lambda: self._follow(take, stop), stop, self._around.lost)

    def _follow(self, take: Take, stop: threading.Event) -> Lost:
        """Take from one connection until it is lost."""
        moved, begun = threading.Event(), self._positions.position
        try:
            with connect(
                self._frames.url(begun),
                additional_headers=self._headers,
                open_timeout=CONNECT_SECONDS,
                close_timeout=CLOSE_SECONDS,
                ping_interval=None,
                max_size=self._socket.most_bytes,
                max_queue=QUEUE,
            ) as connection:
                for message in self._frames.subscriptions(begun):
                    connection.send(message)
                self._take(connection, take, stop, moved)
            reason = "the feed is silent, and answers no ping"
        except ConnectionClosed as error:
            reason = self._closed(error)
        except InvalidStatus as error:
            return self._refused(error)
        except InvalidURI as error:
            message = "the address of the feed can't be used: mend websocket.url"
            raise SettingsError(message) from error
        except WebSocketException as error:
            reason = type(error).__name__  # its text may show the address, which may have a secret
        except OSError as error:
            reason = f"{type(error).__name__}: {error}"
        return Lost(reason, moved=moved.is_set())

    def _take(
        self,
        connection: ClientConnection,
        take: Take,
        stop: threading.Event,
        moved: threading.Event,
    ) -> None:
        """Take until told to stop, or until the feed has nothing to say and answers no ping."""
        heard, pong = time.monotonic(), None
        while not stop.is_set():
            messages = self._batch(connection)
            if messages:
                take(messages)
                self._positions.keep(next((m.position for m in messages[::-1] if m.position), ""))
                moved.set()
            now = time.monotonic()
            if messages or (pong is not None and pong.is_set()):
                heard, pong = now, None
            elif now - heard >= self._socket.silence:
                if pong is not None:
                    return
                heard, pong = now, connection.ping()

    def _batch(self, connection: ClientConnection) -> list[Message]:
        """What waits; nothing when nothing comes for a moment."""
        messages: list[Message] = []
        size, patience = 0, LOOK_SECONDS
        while len(messages) < BATCH and size < BATCH_BYTES:
            try:
                body = connection.recv(patience, decode=False)
            except TimeoutError:
                break
            except ConnectionClosed:
                if messages:
                    break  # what came before it comes first; it is told again
                raise
            messages.append(self._frames.message(body))
            size, patience = size + len(body), 0.0
        return messages

    def _closed(self, error: ConnectionClosed) -> str:
        """Why a connection was closed; the feed's own words are not repeated."""
        if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
            most = self._socket.most_bytes
            return f"a message is longer than {most:,} bytes: raise websocket.most_bytes"
        if error.rcvd is None:
            return "the connection broke"
        return f"the feed has closed the connection, code {error.rcvd.code}"

    def _refused(self, error: InvalidStatus) -> Lost:
        """Why a feed does not talk to us just now.

        Raises:
            SettingsError: It won't later either.
        """
        status = error.response.status_code
        if status not in AGAIN:
            message = (
                f"the feed answers {status}: see to websocket.url and to the variables of its auth"
            )
            raise SettingsError(message)
        shown = next(iter(error.response.headers.get_all("Retry-After")), "")
        return Lost(f"the feed answers {status}", retry_after(shown, self._around.clock.now()))
