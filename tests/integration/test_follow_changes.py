"""Changes of a real PostgreSQL, by Debezium in a process of its own that is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from features.clock import SystemClock
from features.event import Event
from features.stores.codec import decode_event
from features.stores.opening import open_log
from features.stores.ports import DeadLetter, EventLog
from tests.services import postgres_server, require

psycopg = pytest.importorskip(
    "psycopg", reason="psycopg is not installed: pip install 'homing[changes]'"
)
pytest.importorskip("jpype", reason="JPype is not installed: pip install 'homing[changes]'")

from homing.follow.places import Place, Places  # noqa: E402 - after what it needs

MANY = 1_500
"""Rows of the insert in whose middle the first process is killed."""
FILE = """
name = "shop"

[changes]
tables = ["orders", "gifts"]
state = "status"
states = { paid = "bought", cancelled = "returned", deleted = "returned" }
time = "ordered_at"
snapshot_where = "status <> 'cancelled'"
memory = 128

[event]
type = { path = "kind", values = {bought = "purchase", returned = "return"}, others = "leave out" }
id = ["table", "row.id", "kind"]
customer = "row.customer"
time = "at"
item = "row.sku"
value = "row.price"
currency = { constant = "GBP" }
"""
TABLE = """
CREATE TABLE {} (
    id uuid PRIMARY KEY, customer text, sku text NOT NULL, price numeric(12, 2),
    status text NOT NULL, ordered_at date DEFAULT '2026-01-31', lines jsonb
)
"""


class Shop:
    """A shop's database, and what was followed of it.

    Args:
        url: Of the database.
        folder: For everything of ours.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.sql = psycopg.connect(url, autocommit=True)
        self.home = folder / "home"
        follows = folder / "follows"
        follows.mkdir()
        (follows / "shop.toml").write_text(FILE)
        self.environ = {
            **os.environ,
            "HOMING_HOME": str(self.home),
            "HOMING_FOLLOWS_FOLDER": str(follows),
            "HOMING_SECRET": "s" * 32,
            "HOMING_FOLLOW_SHOP_URL": url.replace("shop@", "shop:very-secret@"),
        }
        for table in ("orders", "gifts"):
            self.sql.execute(TABLE.format(table))
        self.sql.execute("ALTER TABLE orders REPLICA IDENTITY FULL")
        self.sql.execute("CREATE PUBLICATION homing_shop FOR TABLE orders, gifts")

    def put(self, *numbers: int, table: str = "orders", status: str = "paid") -> None:
        """Insert rows in one transaction; the ids tell their numbers."""
        self.sql.execute(
            f"INSERT INTO {table} (id, customer, sku, price, status)"  # noqa: S608 - our own name
            " SELECT lpad(n::text, 32, '0')::uuid, 'member-' || n, 'lamp', 12.5, %s"
            " FROM unnest(%s) AS n",
            [status, list(numbers)],
        )

    def set(self, number: int, column: str, value: object) -> None:
        change = f"UPDATE orders SET {column} = %s WHERE id = %s"  # noqa: S608 - our own name
        self.sql.execute(change, [value, f"{number:032}"])

    def delete(self, number: int, table: str = "orders") -> None:
        change = f"DELETE FROM {table} WHERE id = %s"  # noqa: S608 - our own name
        self.sql.execute(change, [f"{number:032}"])

    @contextmanager
    def log(self) -> Iterator[EventLog]:
        log = open_log(f"sqlite:///{self.home / 'events.db'}", SystemClock())
        try:
            yield log
        finally:
            log.close()

    def events(self) -> list[Event]:
        """All that is in the log, repetitions among them."""
        with self.log() as log:
            return [decode_event(one.body) for one in log.take("test", 100_000)]

    def letters(self) -> list[DeadLetter]:
        with self.log() as log:
            return log.dead_letters()

    def told(self) -> list[tuple[str, int]]:
        """Type and number of each event of an order, in their order, those of an id once."""
        firsts = {event.id: event for event in reversed(self.events())}
        found = [event for event in reversed(firsts.values()) if ":public.orders:" in event.id]
        return [(event.type.value, int(event.id.split(":")[2].replace("-", ""))) for event in found]


class Following(NamedTuple):
    """A `homing follow` that runs.

    Attributes:
        process: It.
        output: The file that it writes everything to.
    """

    process: subprocess.Popen[bytes]
    output: Path

    def until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while not reached():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{what}: {self.output.read_text()}")
            time.sleep(0.05)


@contextmanager
def following(shop: Shop, output: Path) -> Iterator[Following]:
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "homing", "follow", "shop"],
            env=shop.environ,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Following(process, output)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    require("java", "openjdk-17-jre-headless")
    with postgres_server("wal_level=logical") as url:
        shop = Shop(url, tmp_path)
        try:
            yield shop
        finally:
            shop.sql.close()


def test_every_change_counts_once_in_order_though_it_is_killed(shop: Shop, tmp_path: Path) -> None:
    shop.put(1, 2, 3)
    shop.put(4, status="cancelled")
    many = list(range(100, 100 + MANY))

    with following(shop, tmp_path / "first") as first:
        first.until(lambda: len(shop.told()) == 3, "the rows that were there")
        shop.set(1, "status", "cancelled")
        shop.put(5)
        shop.set(5, "price", 3)
        shop.delete(2)
        shop.sql.execute(
            "INSERT INTO orders (id, sku, status) VALUES (gen_random_uuid(), 'lamp', 'paid')"
        )
        shop.put(1, table="gifts")
        shop.delete(1, table="gifts")
        first.until(lambda: len(shop.letters()) == 2, "what can't be read")
        shop.put(*many)
        first.until(lambda: len(shop.told()) > 300, "the middle of many")
        first.process.kill()

    assert len(shop.told()) < MANY
    shop.delete(3)
    shop.sql.execute("ALTER TABLE orders ADD COLUMN note text")
    shop.put(6)

    with following(shop, tmp_path / "second") as second:
        second.until(lambda: ("purchase", 6) in shop.told(), "what happened meanwhile")
        shop.sql.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
        shop.put(7)
        second.until(lambda: ("purchase", 7) in shop.told(), "what came after a lost connection")
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(3) == 0

    bought = [("purchase", number) for number in many]
    assert sorted(shop.told()[:3]) == [("purchase", 1), ("purchase", 2), ("purchase", 3)]
    assert shop.told()[3:] == [
        ("return", 1),
        ("purchase", 5),
        ("return", 2),
        *bought,
        ("return", 3),
        ("purchase", 6),
        ("purchase", 7),
    ]
    written = b"".join(path.read_bytes() for path in (tmp_path / "first", tmp_path / "second"))
    assert b'"appeared":["note"]' in written
    assert b"connection lost 1 times" in written
    assert b"ALTER TABLE public.gifts REPLICA IDENTITY FULL" in written
    assert b"member-" not in written
    assert b"very-secret" not in written
    _check_events(shop.events()[0])
    _check_letters(shop.letters())


def _check_events(first: Event) -> None:
    assert first.value == 12.5
    assert first.occurred_at.isoformat() == "2026-01-31T00:00:00+00:00"
    assert first.customer.startswith("ck_")


def _check_letters(letters: list[Any]) -> None:
    nobody, deleted = letters
    assert nobody.source == "follow:shop"
    assert "it names none" in nobody.reason
    assert "does not log customer, sku of a row before its change" in deleted.reason.replace(
        "price, ", ""
    )


def test_it_goes_on_behind_its_own_place_whatever_slot_and_engine_know(
    shop: Shop, tmp_path: Path
) -> None:
    begun = "SELECT lsn - '0/0' FROM pg_create_logical_replication_slot('homing_shop', 'pgoutput')"
    [begin] = shop.sql.execute(begun).fetchone()
    shop.put(1)
    [behind] = shop.sql.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
    shop.put(2)
    offset = Place("homing_shop", int(behind), read=True).engine_offset()
    folder = shop.home / "follow" / "shop"
    folder.mkdir(parents=True)
    Places(folder).keep(Place("homing_shop", int(begin), read=True, offset=offset))
    half_a_file = b"\xac\xed\x00\x05sr"
    (folder / "engine.offset").write_bytes(half_a_file)

    with following(shop, tmp_path / "output") as process:
        process.until(lambda: ("purchase", 2) in shop.told(), "what came after its place")
    assert shop.told() == [("purchase", 2)]
