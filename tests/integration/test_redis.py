"""The adapters on Redis keep the promises of the ports, and declare what goes wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from features.alias import Claim, Identified
from features.errors import SettingsError, StoreUnavailable
from features.profile import History, Profile
from features.profile_codec import encode
from features.stores import redis_aliases as adapter
from features.stores.halves import read_history
from features.stores.opening import Stores, open_stores
from features.stores.ports import Asked, NewPin
from tests.services import redis_server
from tests.unit.features.stores.alias_suite import AliasSuite
from tests.unit.features.stores.catalogue_suite import CatalogueSuite
from tests.unit.features.stores.profile_suite import (
    ADA,
    BOB,
    LookupSuite,
    PinsSuite,
    ProfileStoreSuite,
    Wait,
    bought,
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def stores(url: str, client: redis.Redis) -> Iterator[Stores]:
    assert client.dbsize() == 0
    stores = open_stores(url)
    yield stores
    stores.close()


@pytest.fixture
def wait() -> Wait:
    return time.sleep


class TestRedisProfiles(ProfileStoreSuite):
    pass


class TestRedisAliases(AliasSuite):
    pass


class TestRedisPins(PinsSuite):
    pass


class TestRedisLookup(LookupSuite):
    pass


class TestRedisCatalogue(CatalogueSuite):
    pass


def test_a_pin_and_its_index_leave_the_server_when_they_expire(
    stores: Stores, client: redis.Redis
) -> None:
    stores.pins.pin(ADA, "mail", "hero", b"slate", 1)
    assert client.dbsize() == 2
    time.sleep(1.1)
    assert client.dbsize() == 0


def test_a_profile_is_read_in_one_round_trip(stores: Stores, client: redis.Redis) -> None:
    stores.profiles.fold({ADA: bought("tea", 1)})
    stores.profiles.ping()  # connects
    before = client.info("stats")["total_commands_processed"]
    stores.profiles.get(ADA)
    # The later question counts the earlier one, and itself not yet.
    assert client.info("stats")["total_commands_processed"] - before == 2


class Counter:
    """Stands before a server and counts how often its client turns from speaking to listening."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._upstream = ("127.0.0.1", port)
        self.port = self._listener.getsockname()[1]
        self.round_trips = 0
        self._speaking = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asks: bool) -> None:  # noqa: FBT001 - the direction
        with suppress(OSError), source, target:
            while data := source.recv(1 << 16):
                self.round_trips += asks and not self._speaking
                self._speaking = asks
                target.sendall(data)


@pytest.fixture
def counter(url: str) -> Iterator[Counter]:
    counter = Counter(int(url.rpartition(":")[2]))
    yield counter
    counter.close()


@pytest.mark.usefixtures("client")
def test_one_round_trip_looks_for_many_and_one_pins_many(counter: Counter) -> None:
    stores = open_stores(f"redis://127.0.0.1:{counter.port}")
    # So few that the client sends them in one piece, and the server's answer can't come between.
    keys = [f"ck_{number:032x}" for number in range(10)]
    stores.profiles.put_many(Profile(key, bought("tea", 1)) for key in keys)
    new = [NewPin(key, "mail", block, b"slate", 60) for key in keys for block in ("one", "two")]
    stores.pins.pin_many(new[:1])  # connects, and brings the script
    before = counter.round_trips
    assert stores.pins.pin_many(new) == [b"slate"] * 20
    assert counter.round_trips == before + 1
    seen = stores.lookup.look([Asked(key, "mail") for key in keys])
    assert counter.round_trips == before + 2
    assert [len(one.pins or {}) for one in seen] == [2] * 10
    assert all(one.history is not None for one in seen)
    stores.close()


def test_a_fold_that_another_overtakes_begins_again_and_keeps_both(
    stores: Stores, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_stores(url)
    overtakes = iter([True])

    def slow_read(where: Path | str, customer: str, history: bytes | None) -> History:
        if next(overtakes, False):
            other.profiles.fold({ADA: bought("pot", 2)})
        return read_history(where, customer, history)

    stores.profiles.fold({ADA: bought("cup", 3)})
    monkeypatch.setattr(adapter, "read_history", slow_read)
    stores.profiles.fold({ADA: bought("tea", 1)})
    all_three = bought("pot", 2).join(bought("cup", 3)).join(bought("tea", 1))
    assert stores.profiles.get(ADA) == Profile(ADA, all_three)
    assert not next(overtakes, False)
    other.close()


def test_a_fold_sees_that_somebody_became_an_alias_meanwhile(
    stores: Stores, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_stores(url)
    overtakes = iter([True])

    def slow_read(where: Path | str, customer: str, history: bytes | None) -> History:
        if next(overtakes, False):
            other.profiles.fold({}, {ADA: Identified(Claim(1, BOB)), BOB: Identified(since=1)})
        return read_history(where, customer, history)

    stores.profiles.fold({ADA: bought("cup", 3)})
    monkeypatch.setattr(adapter, "read_history", slow_read)
    stores.profiles.fold({ADA: bought("tea", 1)})
    assert stores.profiles.get(ADA) is None
    assert stores.profiles.get(BOB) == Profile(BOB, bought("cup", 3).join(bought("tea", 1)))
    other.close()


def test_a_fold_that_others_always_overtake_gives_up(
    stores: Stores, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_read(*_: object) -> History:
        client.set(f"homing:history:{ADA}", encode(bought("pot", 2)))
        return History()

    stores.profiles.fold({ADA: bought("pot", 2)})
    monkeypatch.setattr(adapter, "read_history", slow_read)
    with pytest.raises(StoreUnavailable, match="other writers were faster 20 times"):
        stores.profiles.fold({ADA: bought("cup", 3)})
    assert stores.profiles.get(ADA) == Profile(ADA, bought("pot", 2))


def test_bytes_that_are_no_profile_and_no_item_are_declared(
    stores: Stores, client: redis.Redis
) -> None:
    client.set(f"homing:history:{ADA}", b"\xff")
    client.hset("homing:items", "tea", b"\xff")
    client.set(f"homing:own:{BOB}", b"\xff")
    with pytest.raises(StoreUnavailable, match=rf"the profile of {ADA}.*delete it"):
        stores.profiles.get(ADA)
    with pytest.raises(StoreUnavailable, match=rf"the profile of {ADA}.*delete it"):
        stores.profiles.fold({ADA: bought("tea", 1)})
    with pytest.raises(StoreUnavailable, match=rf"what was told under {BOB}.*backup"):
        stores.profiles.fold({BOB: bought("tea", 1)})
    with pytest.raises(StoreUnavailable, match="send the catalogue again"):
        stores.catalogue.get_many(["tea"])
    assert stores.profiles.delete(ADA)


def test_a_server_that_goes_is_unavailable_until_it_is_back() -> None:
    with redis_server() as url:
        stores = open_stores(url)
        stores.profiles.fold({ADA: bought("tea", 1)})
    with pytest.raises(StoreUnavailable, match=r"redis://127.0.0.1:\d+/0.*check that it runs"):
        stores.profiles.get(ADA)
    with redis_server(port=int(url.rpartition(":")[2])):
        assert stores.profiles.get(ADA) is None
        stores.profiles.ping()
    stores.close()


def test_a_server_that_hangs_is_unavailable_in_half_a_second() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stores = open_stores(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        spent = []
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="too slowly"):
                stores.profiles.get(ADA)
            spent.append(time.monotonic() - started)
        assert sorted(spent)[1] < 1.5
        stores.close()


def test_a_server_out_of_memory_keeps_nothing_of_the_call() -> None:
    with redis_server("--maxmemory", "1") as url:
        stores = open_stores(url)
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            stores.profiles.fold({ADA: bought("tea", 1)})
        assert stores.profiles.get(ADA) is None
        assert stores.profiles.count() == 0
        stores.close()


def test_a_wrong_password_is_refused_and_never_shown() -> None:
    with redis_server("--requirepass", "right-horse") as url:
        wrong = url.replace("://", "://:wrong-battery@")
        stores = open_stores(wrong)
        with pytest.raises(StoreUnavailable, match="check the user and the password") as caught:
            stores.profiles.ping()
        assert "wrong-battery" not in str(caught.value)
        stores.close()
        right = open_stores(url.replace("://", "://:right-horse@"))
        right.profiles.ping()
        right.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://:hunter2@",
        "redis://user:hunter2@host:port/0",
        "redis://user:hun/ter2@host",
        "redis://:hunter2@host/zero",
        "redis://:hunter2@host?no_such_option=1",
        "redis://:hunter2@host?socket_timeout=soon",
        "redis://[::1",
    ],
)
def test_a_url_that_cannot_be_used_is_a_setting_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="redis://HOST:PORT/DB") as caught:
        open_stores(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_tls_is_chosen_by_the_scheme() -> None:
    stores = open_stores("rediss://:hunter2@127.0.0.1:1/3")
    with pytest.raises(StoreUnavailable, match=r"^rediss://127.0.0.1:1/3: ") as caught:
        stores.profiles.ping()
    assert "hunter2" not in str(caught.value)
    stores.close()
