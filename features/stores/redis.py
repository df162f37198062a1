"""Profiles in Redis or Valkey, and the connection that its other parts share.

Keys: `homing:history:CUSTOMER` and `homing:published:CUSTOMER`, read together in one round trip,
and the sorted set `homing:customers`, which puts customer keys in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, cast
from urllib.parse import urlsplit

from features.errors import MissingExtra, SettingsError, StoreUnavailable
from features.profile import History, Profile, Published, encode
from features.stores.halves import chunks, read_history, read_profile

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
CHUNK: Final = 500
"""Profiles in one message of a bulk write."""
ATTEMPTS: Final = 20
"""How often a change begins again because another writer was faster."""
CUSTOMERS: Final = "homing:customers"

_CURES: Final = (
    (redis.AuthenticationError, "check the user and the password in HOMING_STORE_URL"),
    (redis.OutOfMemoryError, "give it more memory (maxmemory); nothing of this call was kept"),
    (redis.ReadOnlyError, "name the primary in HOMING_STORE_URL, not a replica"),
    (redis.TimeoutError, "it answers too slowly: look at its load"),
    (redis.ConnectionError, "check that it runs and that this machine reaches it"),
    (redis.ResponseError, "look at its log and its disk"),
)


Pipeline = redis.client.Pipeline


class RedisServer:
    """Connections to one server; nothing is connected before the first use.

    Args:
        url: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, or `rediss://` for TLS.

    Raises:
        SettingsError: The URL can't be used.
    """

    def __init__(self, url: str) -> None:
        self.place = _place(url)
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

    def change(self, keys: Sequence[str], step: Callable[[Pipeline], None]) -> None:
        """Read some keys and write them back, again if somebody else wrote them meanwhile.

        Args:
            keys: Those that must not change from the reading to the writing.
            step: Reads, calls `multi` and says what to write.

        Raises:
            StoreUnavailable: As `moving`; also when others were always faster.
        """
        with self.moving() as client, client.pipeline() as pipeline:
            for _ in range(ATTEMPTS):
                try:
                    pipeline.watch(*keys)  # type: ignore[no-untyped-call]  # as the library has it
                    step(pipeline)
                    pipeline.execute()
                except redis.WatchError:
                    continue
                return
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
            message = f"{self.place}: {error}: {cure}"
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
            raise _unusable() from None  # the cause may show the password
        return client


def _place(url: str) -> str:
    """The URL without user, password and options."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise _unusable() from None
    database = parts.path.strip("/") or "0"
    if not (parts.hostname and database.isdecimal()):
        raise _unusable()
    return f"{parts.scheme}://{parts.hostname}:{port}/{database}"


def _unusable() -> SettingsError:
    return SettingsError(
        "HOMING_STORE_URL is not a Redis URL: write redis://HOST:PORT/DB, "
        "with USER:PASSWORD@ before the host where needed, percent-encoded"
    )


class RedisProfiles:
    """The `ProfileStore` on Redis.

    Args:
        server: Where.
        forget_pins: Drops a customer's pins; whether there were any.
    """

    def __init__(self, server: RedisServer, forget_pins: Callable[[str], bool]) -> None:
        self._server = server
        self._forget_pins = forget_pins

    def get(self, customer: str) -> Profile | None:
        """The profile in one round trip; None for a customer who is not known."""
        with self._server.asking() as client:
            history, published = _mget(client, [history_key(customer), published_key(customer)])
        return self._profile(customer, history, published)

    def get_many(self, customers: Sequence[str]) -> dict[str, Profile]:
        """The profiles of those who are known, `CHUNK` in a round trip."""
        found: dict[str, Profile] = {}
        for chunk in chunks(customers, CHUNK):
            keys = [
                key
                for customer in chunk
                for key in (history_key(customer), published_key(customer))
            ]
            with self._server.moving() as client:
                halves = iter(_mget(client, keys))
            for customer in chunk:
                profile = self._profile(customer, next(halves), next(halves))
                if profile is not None:
                    found[customer] = profile
        return found

    def fold(self, histories: Mapping[str, History]) -> None:
        """Join each history into the one that is kept; all of the call or nothing."""
        if not histories:
            return
        keys = [history_key(customer) for customer in histories]
        self._server.change(keys, lambda pipeline: self._fold(pipeline, keys, histories))

    def publish(self, published: Mapping[str, Published]) -> None:
        """Replace the published half of each; histories stay as they are."""
        for chunk in chunks(published.items(), CHUNK):
            halves = {published_key(customer): encode(half) for customer, half in chunk}
            self._put(halves, [customer for customer, _ in chunk])

    def put_many(self, profiles: Iterable[Profile]) -> int:
        """Replace whole profiles, in bulk; returns how many."""
        count = 0
        for chunk in chunks(profiles, CHUNK):
            halves = {history_key(p.customer): encode(p.history) for p in chunk}
            halves |= {published_key(p.customer): encode(p.published) for p in chunk}
            self._put(halves, [p.customer for p in chunk])
            count += len(chunk)
        return count

    def customers(self, after: str = "", limit: int = 1_000) -> list[str]:
        """The next customer keys in their order, after the given one."""
        start = f"({after}" if after else "-"
        with self._server.moving() as client:
            found = client.zrangebylex(CUSTOMERS, start, "+", start=0, num=limit)
        return [key.decode() for key in cast("list[bytes]", found)]

    def count(self) -> int:
        """How many profiles there are."""
        with self._server.moving() as client:
            return client.zcard(CUSTOMERS)

    def delete(self, customer: str) -> bool:
        """Forget a customer, pins included; whether there was anything to forget."""
        pinned = self._forget_pins(customer)
        with self._server.moving() as client, client.pipeline() as pipeline:
            pipeline.delete(history_key(customer), published_key(customer))
            pipeline.zrem(CUSTOMERS, customer)
            gone = pipeline.execute()
        return any(gone) or pinned

    def ping(self) -> None:
        """Return if the server answers."""
        with self._server.asking() as client:
            client.ping()

    def _fold(
        self, pipeline: Pipeline, keys: Sequence[str], histories: Mapping[str, History]
    ) -> None:
        kept = cast("list[bytes | None]", pipeline.mget(keys))
        joined = {
            key: encode(read_history(self._server.place, customer, old).join(history))
            for key, old, (customer, history) in zip(keys, kept, histories.items(), strict=True)
        }
        pipeline.multi()
        pipeline.mset(joined)
        pipeline.zadd(CUSTOMERS, dict.fromkeys(histories, 0))

    def _put(self, halves: dict[str, bytes], customers: Sequence[str]) -> None:
        with self._server.moving() as client, client.pipeline() as pipeline:
            pipeline.mset(halves)
            pipeline.zadd(CUSTOMERS, dict.fromkeys(customers, 0))
            pipeline.execute()

    def _profile(
        self, customer: str, history: bytes | None, published: bytes | None
    ) -> Profile | None:
        if history is None and published is None:
            return None
        return read_profile(self._server.place, customer, history, published)


def history_key(customer: str) -> str:
    """Where a customer's history is kept."""
    return f"homing:history:{customer}"


def published_key(customer: str) -> str:
    """Where the published half is kept."""
    return f"homing:published:{customer}"


def _mget(client: redis.Redis, keys: Sequence[str]) -> list[bytes | None]:
    return cast("list[bytes | None]", client.mget(keys))
