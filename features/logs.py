"""Structured logs: one JSON object a line on standard error.

What is logged of a person is the customer key, bound as `customer`; nothing else.

Lines are written by a thread, so that nothing waits for whoever reads them: a scorer logs every
request, and a reader that hangs must not hold up a mail.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, BinaryIO, Final, Literal

import msgspec

Level = Literal["debug", "info", "warning", "error", "critical"]

MOST_LINES: Final = 50_000
"""Lines that wait for their reader; more are dropped, and their number is written."""
GATHER_SECONDS: Final = 0.01
"""How long a line waits for others that are written with it."""
END_SECONDS: Final = 1.0
"""How long the end of a process waits for its last lines to be read."""

_encode = msgspec.json.Encoder(enc_hook=str).encode


class Lines:
    """Lines on their way to a stream: a logger as structlog wants one.

    Args:
        stream: Where they go.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.end)

    def msg(self, line: bytes) -> None:
        """Take a line; returns at once."""
        if len(self._waiting) >= MOST_LINES:
            self._lost += 1
            return
        self._waiting.append(line)
        if not self._due.is_set():
            self._due.set()
            self._start()

    debug = info = warning = error = critical = exception = log = msg

    def end(self) -> None:
        """Write what waits, if it is read within `END_SECONDS`."""
        self._ended = True
        self._due.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _begin(self) -> None:
        """What a process begins with: a thread does not live on in a fork."""
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._due = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = False

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            self._due.wait()
            time.sleep(GATHER_SECONDS)
            self._due.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._waiting:
            lines.append(self._waiting.popleft())
        if self._lost:
            lines.append(_encode({"event": "log lines lost", "level": "error", "lost": self._lost}))
            self._lost = 0
        if lines:
            try:
                self._stream.write(b"\n".join(lines) + b"\n")
                self._stream.flush()
            except (OSError, ValueError):
                return  # nobody reads any more: there is nowhere left to say so


_configured: tuple[Lines, int] | None = None


def line_writer(level: Level) -> Callable[[bytes], None] | None:
    """What takes finished lines of a level, for who makes very many of them.

    Returns:
        None when `configure_logs` was not called, or called with a higher level.
    """
    if _configured is None or logging.getLevelNamesMapping()[level.upper()] < _configured[1]:
        return None
    return _configured[0].msg


def configure_logs(level: Level = "info") -> None:
    """Write JSON lines from this level on; call once a process, before work begins.

    Args:
        level: The least that is written.
    """
    import structlog  # noqa: PLC0415 - slow; settings name levels where nothing is logged

    number = logging.getLevelNamesMapping()[level.upper()]
    lines = Lines(sys.stderr.buffer)
    global _configured  # noqa: PLW0603 - as structlog's own configuration is
    _configured = lines, number
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )


def _rendered(_: object, __: str, event: MutableMapping[str, Any]) -> bytes:
    """A line; what JSON has no form for is written as text."""
    return _encode(event)
