"""From a URL to what keeps things: the scheme chooses the backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from features.clock import Clock, SystemClock
from features.errors import SettingsError, shorten
from features.stores.dated import DatedLog
from features.stores.kafka_log import KafkaLog
from features.stores.memory import (
    MemoryCatalogue,
    MemoryLog,
    MemoryLookup,
    MemoryPins,
    MemoryProfiles,
    Room,
)
from features.stores.no_log import NoLog
from features.stores.ports import Catalogue, EventLog, Lookup, Pins, ProfileStore
from features.stores.pressure import MAX_DEPTH
from features.stores.rabbitmq_log import RabbitLog
from features.stores.redis_catalogue import RedisCatalogue
from features.stores.redis_log import RedisLog
from features.stores.redis_pins import RedisPins
from features.stores.sqlite import PAGE_BYTES as PROFILE_PAGES
from features.stores.sqlite import SCHEMA, SqliteProfiles
from features.stores.sqlite_aliases import SCHEMA as ALIASES_SCHEMA
from features.stores.sqlite_catalogue import OVERRIDES_SCHEMA, SqliteCatalogue
from features.stores.sqlite_file import SqliteFile
from features.stores.sqlite_log import SqliteLog
from features.stores.sqlite_lookup import SqliteLookup
from features.stores.sqlite_pins import PAGE_BYTES as PIN_PAGES
from features.stores.sqlite_pins import SCHEMA as PINS_SCHEMA
from features.stores.sqlite_pins import SqlitePins, pins_path

LOG_URL: Final = "HOMING_LOG_URL"


@dataclass(frozen=True)
class Stores:
    """What one URL opens: four ports on one backend.

    Attributes:
        profiles: Profiles by customer key.
        catalogue: Items, overrides and shelves.
        pins: Slates that were answered.
        lookup: Profiles and pins as they are kept, all that some answers need at once.
    """

    profiles: ProfileStore
    catalogue: Catalogue
    pins: Pins
    lookup: Lookup
    _close: Callable[[], None] = field(repr=False)

    def close(self) -> None:
        """Let go of files and connections; every later call raises `StoreUnavailable`."""
        self._close()


def open_stores(url: str, clock: Clock | None = None) -> Stores:
    """Profiles, catalogue and pins.

    Nothing is read, written or connected yet: a store that is down raises `StoreUnavailable` at
    the first call, so that a scorer starts without it.

    Args:
        url: `sqlite:///PATH` (relative; `sqlite:////PATH` absolute), `redis://HOST:PORT/DB`,
            `rediss://…`, or `memory://` for this process alone.
        clock: Tells when pins expire; the machine's clock without one. Redis uses its own.

    Raises:
        SettingsError: The URL can't be used; its password is not shown.
        MissingExtra: The backend's library is not installed.
    """
    openers = {
        "memory": _memory_stores,
        "sqlite": _sqlite_stores,
        "redis": _redis_stores,
        "rediss": _redis_stores,
    }
    return _chosen(openers, url, "HOMING_STORE_URL")(url, clock or SystemClock())


def open_log(url: str, clock: Clock | None = None, max_depth: int = MAX_DEPTH) -> EventLog:
    """The event log; opened lazily as `open_stores` does.

    Args:
        url: `sqlite:///PATH`, `redis://HOST:PORT/DB` or `rediss://…`, `amqp://HOST:PORT/VHOST` or
            `amqps://…` for RabbitMQ, `kafka://HOST:PORT,…` or `kafkas://…`, `memory://`, or
            `none://` for a process that takes no events in.
        clock: Dates dead letters; the machine's clock without one.
        max_depth: From how many waiting entries on appends are refused.

    Raises:
        SettingsError: The URL can't be used.
        MissingExtra: The backend's library is not installed.
    """
    openers = {
        "memory": _memory_log,
        "sqlite": _sqlite_log,
        "redis": _redis_log,
        "rediss": _redis_log,
        "amqp": _rabbitmq_log,
        "amqps": _rabbitmq_log,
        "kafka": _kafka_log,
        "kafkas": _kafka_log,
        "none": _no_log,
    }
    now = clock or SystemClock()
    log = _chosen(openers, url, LOG_URL)(url, now, max_depth)
    return log if isinstance(log, NoLog) else DatedLog(log, now)


Opener = TypeVar("Opener")


def _chosen(openers: Mapping[str, Opener], url: str, setting: str) -> Opener:
    scheme, mark, _ = url.partition("://")
    if mark and scheme in openers:
        return openers[scheme]
    known = ", ".join(f"{name}://" for name in openers)
    # A URL without a known scheme may be a bare password: it is not repeated.
    shown = shorten(f"{scheme}://") if mark else "no scheme"
    message = f"{setting} has {shown}: choose one of {known}"
    raise SettingsError(message)


def _memory_stores(url: str, clock: Clock) -> Stores:
    _check_memory(url)
    room = Room()
    pins = MemoryPins(room, clock)
    profiles = MemoryProfiles(room, pins)
    lookup = MemoryLookup(profiles, pins)
    return Stores(profiles, MemoryCatalogue(room), pins, lookup, room.close)


def _sqlite_stores(url: str, clock: Clock) -> Stores:
    path = _path(url)
    schemas = SCHEMA, OVERRIDES_SCHEMA, ALIASES_SCHEMA
    file = SqliteFile(path, *schemas, page_bytes=PROFILE_PAGES)
    beside = SqliteFile(pins_path(path), PINS_SCHEMA, synchronous="NORMAL", page_bytes=PIN_PAGES)
    pins = SqlitePins(beside, clock)

    def close() -> None:
        file.close()
        beside.close()

    lookup = SqliteLookup(file, beside, clock)
    return Stores(SqliteProfiles(file, pins), SqliteCatalogue(file), pins, lookup, close)


def _redis_stores(url: str, clock: Clock) -> Stores:  # noqa: ARG001 - the server's clock counts
    # Only who chooses Redis needs its library.
    from features.stores.redis import RedisServer  # noqa: PLC0415
    from features.stores.redis_lookup import RedisLookup  # noqa: PLC0415
    from features.stores.redis_profiles import RedisProfiles  # noqa: PLC0415

    server = RedisServer(url)
    pins = RedisPins(server)
    profiles = RedisProfiles(server, pins.forget)
    return Stores(profiles, RedisCatalogue(server), pins, RedisLookup(server), server.close)


def _memory_log(url: str, clock: Clock, max_depth: int) -> EventLog:
    _check_memory(url)
    return MemoryLog(clock, max_depth)


def _sqlite_log(url: str, clock: Clock, max_depth: int) -> EventLog:
    return SqliteLog(_path(url), clock, max_depth)


def _redis_log(url: str, clock: Clock, max_depth: int) -> EventLog:
    from features.stores.redis import RedisServer  # noqa: PLC0415 - as above

    return RedisLog(RedisServer(url, LOG_URL), clock, max_depth)


def _rabbitmq_log(url: str, clock: Clock, max_depth: int) -> EventLog:
    from features.stores.rabbitmq import RabbitServer  # noqa: PLC0415 - as above

    return RabbitLog(RabbitServer(url), clock, max_depth)


def _kafka_log(url: str, clock: Clock, max_depth: int) -> EventLog:
    from features.stores.kafka import KafkaCluster  # noqa: PLC0415 - as above

    return KafkaLog(KafkaCluster(url), clock, max_depth)


def _no_log(url: str, clock: Clock, max_depth: int) -> EventLog:  # noqa: ARG001 - the form of an opener
    return NoLog()


def _check_memory(url: str) -> None:
    if url != "memory://":
        message = f"{shorten(url)} names a place, and memory has none: write memory://"
        raise SettingsError(message)


def _path(url: str) -> Path:
    """The path as it is written: nothing in it is percent-decoded."""
    place = url.removeprefix("sqlite://")
    if not place.startswith("/") or place.endswith("/"):
        message = (
            f"{shorten(url)} names no file: write sqlite:///PATH for a path from the working "
            "folder, sqlite:////PATH for one from the root"
        )
        raise SettingsError(message)
    return Path(place[1:])
