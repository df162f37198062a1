"""How a scorer starts and ends: one worker in this process, or several that are forked from it."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Final

from features.logs import configure_logs
from serving.beside import CHECK_SECONDS, IngestProcess
from serving.following import Follower
from serving.listening import bind, close, refuse_new, shared, stop_listening
from serving.settings import ServeSettings
from serving.workers import MULTIPROCESS, Workers

_BESIDE_SECONDS: Final = 10
"""How long a start waits for the ingest loop."""
_SWITCH_SECONDS: Final = 0.0005
_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's `mallopt`."""
_STOP_SECONDS: Final = 5
"""How long a service may take to stop, once all requests are answered."""


def serve(settings: ServeSettings) -> None:
    """Answer until SIGTERM or Ctrl-C; with an embedded event log, ingest in a process beside.

    Raises:
        SettingsError: A setting can't be used, or a library that it needs is not installed.
    """
    configure_logs(settings.log_level)
    _share_heap()
    # Refuse before anything runs, and in this process, where the message is seen.
    settings.customer_keys()
    sockets = bind(settings.host, settings.port)
    embedded = settings.ingest and settings.resolved_log_url().startswith("sqlite:")
    beside = IngestProcess(settings) if embedded else None
    try:
        if beside is not None:
            beside.start()
        run = _serve_here if settings.workers == 1 else _serve_forked
        run(settings, sockets, beside)
    finally:
        close(sockets)
        if beside is not None:
            beside.stop()


def _share_heap() -> None:
    """Let all threads take memory from one heap.

    By itself glibc gives each a heap of its own, which keeps what it once took: that made a worker
    twice as large under load as it was at its start.
    """
    with suppress(OSError, AttributeError):  # another library of C has no such heaps
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def _serve_here(
    settings: ServeSettings, sockets: Sequence[socket.socket], beside: IngestProcess | None
) -> None:
    """One worker, which is this process."""
    work = _worker(settings, None)
    if beside is None:
        work(sockets, 0)
        return
    # An event that is taken in right after the start must not wait for the loop's own.
    beside.wait(_BESIDE_SECONDS)
    watch = Follower("ingest", CHECK_SECONDS, beside.look)
    watch.start()
    try:
        work(sockets, 0)
    finally:
        watch.stop()


def _serve_forked(
    settings: ServeSettings, sockets: Sequence[socket.socket], beside: IngestProcess | None
) -> None:
    """Several workers, forked from this process when all that they share is loaded."""
    with _counting_together():
        from serving.web.server import GRACE_SECONDS, SETTLE_SECONDS  # noqa: PLC0415 - see _worker

        work = _worker(settings, os.getpid())
        if beside is not None:
            beside.wait(_BESIDE_SECONDS)
        of_each = shared(sockets, settings.workers)
        of_all = [bound for own in of_each for bound in own]

        def drained() -> None:
            refuse_new(of_all)
            close(of_all)

        workers = Workers(
            settings.workers,
            work=lambda number: work(of_each[number], number),
            missed=lambda number: stop_listening(of_each[number]),
            beside=lambda: None if beside is None else beside.look(),
        )
        end = SETTLE_SECONDS + GRACE_SECONDS + _STOP_SECONDS
        try:
            workers.run(drained, settings.drain_seconds, end)
        finally:
            close(of_all)


def _worker(
    settings: ServeSettings, parent: int | None
) -> Callable[[Sequence[socket.socket], int], None]:
    """What a worker does, given its sockets and its number; what all share is loaded on return.

    Args:
        settings: Of the process.
        parent: This process, when workers are forked from it.
    """
    # Only now: what counts looks at the environment when it is loaded.
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as said

    from serving.bootstrap import build_app, build_parts, lay_ground, load_local  # noqa: PLC0415
    from serving.web.server import LOADED_LATE, Server  # noqa: PLC0415

    # A score is a product with one vector. Threads of BLAS would spend more time waiting for each
    # other than they save (5 ms against 1 ms at 68,509 x 64 on two busy cores), and other requests
    # want those cores.
    threadpool_limits(limits=1, user_api="blas")
    # The loop must not wait long for a thread that packs a catalogue: with Python's own 5 ms the
    # 99th percentile of answers was more than twice as high while one was read.
    sys.setswitchinterval(_SWITCH_SECONDS)
    ground = lay_ground(settings)
    if parent is not None:
        load_local(settings, ground)
        for module in LOADED_LATE:
            import_module(module)

    def work(sockets: Sequence[socket.socket], number: int) -> None:
        parts = build_parts(settings, ground)
        app = build_app(settings, parts)
        Server(app, sockets, parts.readiness, parent, number).answer()

    return work


@contextmanager
def _counting_together() -> Iterator[None]:
    """A folder that all workers count into."""
    folder = tempfile.mkdtemp(prefix="homing-metrics-")
    os.environ[MULTIPROCESS] = folder
    try:
        yield
    finally:
        with suppress(KeyError):
            del os.environ[MULTIPROCESS]
        shutil.rmtree(folder, ignore_errors=True)
