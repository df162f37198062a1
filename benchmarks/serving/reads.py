"""What one answer reads: microseconds on SQLite, round trips on Redis."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, at_most, median_of, plain, seconds
from benchmarks.serving.round_trips import round_trips
from benchmarks.serving.servers import SERVER_CORE, pinned
from benchmarks.serving.shop import BLOCK, Shop
from benchmarks.serving.stages import keys_of
from features.errors import Unavailable
from features.stores.opening import Stores, open_stores
from features.stores.ports import Asked, NewPin
from homing.child import free_port

READ_US: Final = 30.0
CUSTOMERS: Final = 5_000
SEND: Final = "read"
_REDIS: Final = "redis-server"
_STARTS: Final = 20.0


def measure_reads(shop: Shop, folder: Path) -> list[Figure]:
    """SQLite as the shop has it; Redis with some of its customers, where it is installed."""
    keys = keys_of(shop.settled[:CUSTOMERS])
    with closing(open_stores(f"sqlite:///{shop.home / 'profiles.db'}")) as stores:
        with pinned(SERVER_CORE):
            read = _each(keys, stores.profiles.get)
            looked = _each(keys, lambda key: stores.lookup.look([Asked(key, SEND)]))
        figures = [
            at_most("SQLite, a profile read", read, "us", READ_US),
            plain("SQLite, a look at profile and pins, not decoded", looked, "us"),
        ]
        if shutil.which(_REDIS) is None:
            sys.stderr.write("redis-server is not installed: its round trips are left out\n")
            return figures
        return [*figures, *_redis(stores, keys[:100], folder)]


def _each(keys: Sequence[str], read: Callable[[str], object]) -> float:
    """Microseconds of one reading, the median of five times all."""

    def all_of_them() -> None:
        for key in keys:
            read(key)

    all_of_them()
    return 1e6 * median_of(lambda: seconds(all_of_them)) / len(keys)


def _redis(source: Stores, keys: Sequence[str], folder: Path) -> list[Figure]:
    with redis_server(folder) as port, round_trips(port) as (own, trips):
        url = f"redis://127.0.0.1:{own}/0"
        with closing(open_stores(url)) as stores:
            stores.profiles.put_many(source.profiles.get_many(keys).values())
            stores.pins.pin_many([NewPin(key, SEND, BLOCK, b"slate", 60) for key in keys])
            asked = [Asked(key, SEND) for key in keys]
            stores.lookup.look(asked[:1])  # connects
            before = trips.count
            stores.lookup.look(asked[:1])
            one = trips.count
            stores.lookup.look(asked)
            many = trips.count
        return [
            at_most("Redis, all that an answer reads", one - before, "round trips", 1.0),
            at_most(f"Redis, all that {len(keys)} answers read", many - one, "round trips", 1.0),
        ]


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A Redis server that keeps nothing; its port."""
    port = free_port(0)
    command = f"{_REDIS} --port {port} --bind 127.0.0.1 --dir {folder}".split()
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen([*command, "--save", ""], stdout=log, stderr=log)  # noqa: S603
    try:
        _wait(server, port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _STARTS
    while server.poll() is None and time.monotonic() < until:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    message = f"{_REDIS} did not come up: start it by hand to see why"
    raise Unavailable(message)
