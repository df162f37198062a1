"""uvicorn's server, which goes on answering for a while after it was asked to end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn

from serving.listening import refuse_new
from serving.readiness import Readiness
from serving.web.middleware import Around
from serving.web.straight import Straight

GRACE_SECONDS: Final = 10
"""How long requests that are being answered at the end may take."""
SETTLE_SECONDS: Final = 0.3
"""From the last new connection to the end of listening: for what is on its way."""
YOUNG: Final = 10_000
"""New objects between two looks for garbage: some 100 answers' worth, who leave hardly any."""
LOADED_LATE: Final = ("uvicorn.lifespan.on", "uvicorn.loops.uvloop", "encodings.idna")
"""Modules that load only when a server runs: before workers are forked, they load once for all."""
_IDLE_SECONDS: Final = 75
"""Longer than balancers keep a connection without a request (60 s in most): it is theirs to close
one, and none is closed under a request."""
_CLOSE: Final = (b"connection", b"close")


class Server(uvicorn.Server):
    """Serves on sockets until SIGTERM and the drain, or Ctrl-C.

    Args:
        app: What answers.
        sockets: Bound ones.
        readiness: Told when it listens and when it is to end.
        parent: Process whose end is this one's too; None for a process that is on its own, which
            then itself sees to it that no new connections come.
        number: Of this worker, from 0.
    """

    def __init__(
        self,
        app: Around,
        sockets: Sequence[socket.socket],
        readiness: Readiness,
        parent: int | None = None,
        number: int = 0,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=Straight,
                ws="none",
                lifespan="on",
                # Our own layer logs requests; uvicorn's line would have the query in it.
                access_log=False,
                log_config=None,
                server_header=False,
                # Nobody here looks at who asks from where.
                proxy_headers=False,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._sockets = list(sockets)
        self._readiness = readiness
        self._number = number
        self._parent = parent

    def answer(self) -> None:
        """Serve until the end."""
        with suppress(KeyboardInterrupt):
            self.run(self._sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._readiness.begin(self._number)
        # What is there now stays: a full collection that looked at all of it again and again would
        # stop the loop for tens of milliseconds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first SIGTERM; end at Ctrl-C, or at a second."""
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
        elif self._readiness.drain():
            # Who keeps a connection opens the next one somewhere else.
            self.config.encoded_headers.append(_CLOSE)
            self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Look whether to end, ten times a second."""
        if await super().on_tick(counter):
            return True
        if self._parent is not None and os.getppid() != self._parent:
            return True
        if not self._readiness.over:
            return False
        if self._parent is None:
            refuse_new(self._sockets)
        await asyncio.sleep(SETTLE_SECONDS)
        return True
