"""The connection to RabbitMQ, with a thread of its own for the library's event loop.

The client (aio-pika) is asynchronous, so that many messages wait for their confirms together; the
ports are not. What is asked for is done in the thread, and waited for.
See <https://www.rabbitmq.com/docs/confirms> and <https://www.rabbitmq.com/docs/quorum-queues>.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Final, TypeVar
from urllib.parse import urlsplit

from features.errors import MissingExtra, SettingsError, StoreUnavailable

try:
    import aio_pika
    from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError
except ModuleNotFoundError as error:
    if error.name != "aio_pika":
        raise
    what = "an amqp:// event log"
    raise MissingExtra(what, "rabbitmq") from error

SECONDS: Final = 10.0
"""How long anything waits for its answer, connecting included."""

Connection = aio_pika.abc.AbstractConnection
Channel = aio_pika.abc.AbstractChannel
Queue = aio_pika.abc.AbstractQueue
Exchange = aio_pika.abc.AbstractExchange
Incoming = aio_pika.abc.AbstractIncomingMessage
Message = aio_pika.Message
PERSISTENT: Final = aio_pika.DeliveryMode.PERSISTENT
DIRECT: Final = aio_pika.ExchangeType.DIRECT
Done = TypeVar("Done")

# Of a connection that is just being lost the library says so by a bare RuntimeError.
_FAILURES: Final = (AMQPError, RuntimeError, OSError)
_CURES: Final = (
    (DeliveryError, "it did not take them: look at its alarms and its disk; send them again"),
    (TimeoutError, f"no answer within {SECONDS:g} s: look at its load, its alarms and its disk"),
    (OSError, "check that it runs and that this machine reaches it"),
    (AMQPError, "look at its log; check the user and the permissions in HOMING_LOG_URL"),
)


class RabbitServer:
    """One connection to a broker, made at the first use and again when it was lost.

    Args:
        url: `amqp://USER:PASSWORD@HOST[:PORT]/[VHOST]`, or `amqps://` for TLS.

    Raises:
        SettingsError: The URL can't be used.
    """

    def __init__(self, url: str) -> None:
        self.place = _place(url)
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False

    def run(self, work: Callable[[Connection], Awaitable[Done]]) -> Done:
        """Do something in the library's thread.

        Raises:
            StoreUnavailable: The broker does not answer, or refuses; the next call connects again.
        """
        if self._closed:
            message = f"{self.place} is closed in this process: open it again"
            raise StoreUnavailable(message)
        loop = self._running()
        try:
            return asyncio.run_coroutine_threadsafe(self._do(work), loop).result()
        except CancelledError as error:
            message = f"{self.place} was closed in this process meanwhile: open it again"
            raise StoreUnavailable(message) from error
        except _FAILURES as error:
            cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "try again")
            message = f"{self.place}: {str(error) or type(error).__name__}: {cure}"
            raise StoreUnavailable(message) from error

    def close(self) -> None:
        """Disconnect and end the thread; every later call raises `StoreUnavailable`."""
        self._closed = True
        with self._starting:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="rabbitmq", daemon=True
                )
                self._thread.start()
            return self._loop

    async def _do(self, work: Callable[[Connection], Awaitable[Done]]) -> Done:
        try:
            async with asyncio.timeout(SECONDS):
                async with self._connecting:
                    if self._connection is None or self._connection.is_closed:
                        self._connection = await aio_pika.connect(self._url, timeout=SECONDS)
                    connection = self._connection
                return await work(connection)
        except _FAILURES:
            # What was half done on it is undone by the broker: nothing that was held is lost.
            await self._disconnect()
            raise

    async def _end(self) -> None:
        """Disconnect, and let nobody wait for an answer that can't come."""
        await self._disconnect()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(*_FAILURES):  # it may be lost already
            async with asyncio.timeout(1):
                await connection.close()


async def is_there(connection: Connection, exchange: str) -> bool:
    """Whether an exchange has been made."""
    channel = await connection.channel()
    try:
        await channel.get_exchange(exchange)
    except ChannelNotFoundEntity:
        return False  # and the server has closed the channel
    await channel.close()
    return True


def _place(url: str) -> str:
    """The URL without user, password and options."""
    try:
        parts = urlsplit(url)
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    except ValueError:
        raise _unusable() from None
    if not parts.hostname:
        raise _unusable()
    return f"{parts.scheme}://{parts.hostname}:{port}/{parts.path.strip('/')}"


def _unusable() -> SettingsError:
    return SettingsError(
        "HOMING_LOG_URL is not a RabbitMQ URL: write amqp://USER:PASSWORD@HOST:PORT/VHOST, "
        "user and password percent-encoded"
    )
