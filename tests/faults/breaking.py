"""How things break: each fault begins when its block does, and ends with it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from random import Random

from tests.faults import world
from tests.faults.holding import How, held
from tests.faults.processes import children
from tests.faults.proxy import FaultProxy, Kind
from tests.faults.stack import Stack
from tests.faults.trial import Breaks


def of_store(kind: Kind, ms: float = 0.0) -> Breaks:
    """This fault between the scorer and Redis."""

    @asynccontextmanager
    async def breaks(stack: Stack) -> AsyncIterator[None]:
        assert stack.store is not None
        async with _through(stack.store, kind, ms):
            yield

    return breaks


def of_registry(kind: Kind, ms: float = 0.0) -> Breaks:
    """This fault between the scorer and MLflow, with another champion in the middle of it."""

    @asynccontextmanager
    async def breaks(stack: Stack) -> AsyncIterator[None]:
        assert stack.models is not None
        async with _through(stack.models, kind, ms):
            await asyncio.to_thread(stack.promote, 2)
            yield
        await asyncio.to_thread(stack.promote, 1)

    return breaks


@asynccontextmanager
async def flapping(stack: Stack) -> AsyncIterator[None]:
    """Any fault between the scorer and Redis, another one every moment."""
    store, random = stack.store, Random(7)  # noqa: S311 - picks faults
    assert store is not None

    def once() -> float:
        store.use(random.choice(tuple(Kind)), random.choice((3.0, 20.0)))
        return random.uniform(0.02, 1.0)

    async with _again_and_again(once):
        yield
    await asyncio.to_thread(store.use, Kind.PASS)


@asynccontextmanager
async def redis_killed(stack: Stack) -> AsyncIterator[None]:
    """Redis is killed, comes back empty, is filled, and so on."""
    redis = stack.redis
    assert redis is not None

    def once() -> float:
        redis.kill()
        redis.start()
        world.refill(stack.stores)
        return 2.0

    async with _again_and_again(once):
        yield


@asynccontextmanager
async def redis_stopped(stack: Stack) -> AsyncIterator[None]:
    """Redis stands still, with every connection open."""
    assert stack.redis is not None
    with stack.redis.stopped():
        yield


@asynccontextmanager
async def begun_without_store(stack: Stack) -> AsyncIterator[None]:
    """The scorer ends, and starts again while Redis hangs: nothing is in its memory."""
    assert stack.store is not None
    async with _through(stack.store, Kind.HANG, 0.0):
        await asyncio.to_thread(stack.scorer.end)
        await asyncio.to_thread(stack.scorer.start)
        yield


@asynccontextmanager
async def registry_killed(stack: Stack) -> AsyncIterator[None]:
    """MLflow is killed and comes back, again and again."""
    registry = stack.registry
    assert registry is not None

    def once() -> float:
        registry.kill()
        registry.start()
        return 1.0

    async with _again_and_again(once):
        yield


@asynccontextmanager
async def child_killed(stack: Stack) -> AsyncIterator[None]:
    """A process that the scorer started is killed, and one again as soon as all are there."""
    random, all_of_them = Random(7), len(children(stack.scorer.pid))  # noqa: S311 - picks whom

    def once() -> float:
        alive = children(stack.scorer.pid)
        if len(alive) < all_of_them:
            return 0.5
        os.kill(random.choice(alive), signal.SIGKILL)
        return 3.0

    async with _again_and_again(once):
        yield


@asynccontextmanager
async def reloading(stack: Stack) -> AsyncIterator[None]:
    """No fault: another champion and another edition of the catalogue, again and again."""
    editions = 1

    def once() -> float:
        nonlocal editions
        editions += 1
        stack.promote(1 + editions % 2)
        world.refill(stack.stores, editions)
        return 1.0

    async with _again_and_again(once):
        yield
    await asyncio.to_thread(stack.promote, 1)


def sqlite_held(how: How, *files: str) -> Breaks:
    """Another process stands still while it holds these files of the home."""

    @asynccontextmanager
    async def breaks(stack: Stack) -> AsyncIterator[None]:
        with ExitStack() as over:
            for name in files:
                await asyncio.to_thread(over.enter_context, held(how, stack.home / name))
            yield

    return breaks


@asynccontextmanager
async def no_file_grows(stack: Stack) -> AsyncIterator[None]:
    """Whatever the scorer writes is refused, its log's lines too, as on a disk that is full."""
    pid, limit = stack.scorer.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (0, before[1]))
    yield
    resource.prlimit(pid, limit, before)


@asynccontextmanager
async def _through(proxy: FaultProxy, kind: Kind, ms: float) -> AsyncIterator[None]:
    await asyncio.to_thread(proxy.use, kind, ms)
    yield
    await asyncio.to_thread(proxy.use, Kind.PASS)


@asynccontextmanager
async def _again_and_again(once: Callable[[], float]) -> AsyncIterator[None]:
    """Call this in a thread, over and over, pausing for the seconds that it gives."""
    ending = asyncio.Event()

    async def work() -> None:
        while not ending.is_set():
            pause = await asyncio.to_thread(once)
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), pause)

    working = asyncio.create_task(work())
    yield
    ending.set()
    await working
