"""The connection that all parts of a Redis or Valkey store share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

from features.errors import MissingExtra, SettingsError, StoreUnavailable

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ModuleNotFoundError as error:
    if error.name != "redis":
        raise
    what = "a redis:// store"
    raise MissingExtra(what, "redis") from error

QUICK_SECONDS: Final = 0.5
"""How long a template's question waits for an answer."""
BULK_SECONDS: Final = 5.0
"""How long a write of many profiles waits."""
ATTEMPTS: Final = 20
"""How often a change begins again because another writer was faster."""

_CURES: Final = (
    (redis.AuthenticationError, "check the user and the password in {setting}"),
    (redis.OutOfMemoryError, "give it more memory (maxmemory); nothing of this call was kept"),
    (redis.ReadOnlyError, "name the primary in {setting}, not a replica"),
    (redis.TimeoutError, "it answers too slowly: look at its load"),
    (redis.ConnectionError, "check that it runs and that this machine reaches it"),
    (redis.ResponseError, "look at its log and its disk"),
)


Pipeline = redis.client.Pipeline


class RedisServer:
    """Connections to one server; nothing is connected before the first use.

    Args:
        url: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, or `rediss://` for TLS.
        setting: Where the URL is set, for messages.

    Raises:
        SettingsError: The URL can't be used.
    """

    def __init__(self, url: str, setting: str = "HOMING_STORE_URL") -> None:
        self._setting = setting
        self.place = _place(url, setting)
        self._quick = self._client(url, QUICK_SECONDS)
        self._bulk = self._client(url, BULK_SECONDS)
        self._closed = False

    @contextmanager
    def asking(self) -> Iterator[redis.Redis]:
        """A client for what a template waits for.

        Raises:
            StoreUnavailable: The server does not answer in `QUICK_SECONDS`, or refuses.
        """
        with self._declared():
            yield self._quick

    @contextmanager
    def moving(self) -> Iterator[redis.Redis]:
        """A client for writing and reading much.

        Raises:
            StoreUnavailable: The server does not answer in `BULK_SECONDS`, or refuses.
        """
        with self._declared():
            yield self._bulk

    def change(self, keys: Sequence[str], step: Callable[[Pipeline], None]) -> list[Any]:
        """Read some keys and write them back, again if somebody else wrote them meanwhile.

        Args:
            keys: Those that must not change from the reading to the writing.
            step: Reads, calls `multi` and says what to write.

        Returns:
            What the server answered to each that was said.

        Raises:
            StoreUnavailable: As `moving`; also when others were always faster.
        """
        with self.moving() as client, client.pipeline() as pipeline:
            for _ in range(ATTEMPTS):
                try:
                    pipeline.watch(*keys)  # type: ignore[no-untyped-call]  # as the library has it
                    step(pipeline)
                    return pipeline.execute()
                except redis.WatchError:
                    continue
        message = (
            f"{self.place}: other writers were faster {ATTEMPTS} times: "
            "let one ingest loop write histories, or write less at a time"
        )
        raise StoreUnavailable(message)

    def close(self) -> None:
        """Disconnect; every later call raises `StoreUnavailable`."""
        self._closed = True
        self._quick.close()
        self._bulk.close()

    @contextmanager
    def _declared(self) -> Iterator[None]:
        if self._closed:
            message = f"{self.place} is closed in this process: open it again"
            raise StoreUnavailable(message)
        try:
            yield
        except redis.RedisError as error:
            cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "look at it")
            message = f"{self.place}: {error}: {cure.format(setting=self._setting)}"
            raise StoreUnavailable(message) from error

    def _client(self, url: str, seconds: float) -> redis.Redis:
        try:
            client = redis.Redis.from_url(
                url,
                socket_timeout=seconds,
                socket_connect_timeout=QUICK_SECONDS,
                # Once more for a connection that went stale, never for a server that is slow.
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
            client.connection_pool.make_connection()  # checks the options, connects to nothing
        except (ValueError, TypeError):
            raise _unusable(self._setting) from None  # the cause may show the password
        return client


def _place(url: str, setting: str) -> str:
    """The URL without user, password and options."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise _unusable(setting) from None
    database = parts.path.strip("/") or "0"
    if not (parts.hostname and database.isdecimal()):
        raise _unusable(setting)
    return f"{parts.scheme}://{parts.hostname}:{port}/{database}"


def _unusable(setting: str) -> SettingsError:
    return SettingsError(
        f"{setting} is not a Redis URL: write redis://HOST:PORT/DB, "
        "with USER:PASSWORD@ before the host where needed, percent-encoded"
    )


def history_key(customer: str) -> str:
    """Where a customer's history is kept."""
    return f"homing:history:{customer}"


def published_key(customer: str) -> str:
    """Where the published half is kept."""
    return f"homing:published:{customer}"


def values(client: redis.Redis, keys: Sequence[str]) -> list[bytes | None]:
    """What is kept under each key, in one round trip; None where there is nothing."""
    return cast("list[bytes | None]", client.mget(keys))
