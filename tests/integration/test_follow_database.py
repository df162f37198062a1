"""What a database lacks for its changes to be followed is told with the cure, without Java."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from features.clock import SystemClock
from features.errors import SettingsError, StoreUnavailable
from homing.follow.connecting import Around
from homing.follow.declared import parse_declared
from tests.followed import Taken
from tests.services import free_port, postgres_server

psycopg = pytest.importorskip(
    "psycopg", reason="psycopg is not installed: pip install 'homing[changes]'"
)
jpype = pytest.importorskip("jpype", reason="JPype is not installed: pip install 'homing[changes]'")

from homing.follow import debezium  # noqa: E402 - after what it needs
from homing.follow.changes import ChangesStream  # noqa: E402
from homing.follow.debezium import Batch  # noqa: E402
from homing.follow.places import Place, Places  # noqa: E402
from homing.follow.postgres import Database, Slot, address_of, connected  # noqa: E402

FILE = """
name = "shop"

[changes]
tables = ["orders"]
state = "status"
time = "ordered_at"

[event]
type = "purchase"
id = ["row.id", "kind"]
customer = "row.customer"
time = "at"
item = "row.sku"
"""
SLOT = "SELECT pg_create_logical_replication_slot('homing_shop', 'pgoutput')"

Sql = Callable[..., tuple[Any, ...] | None]
Look = Callable[[], Place]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server("wal_level=logical", "max_replication_slots=1") as url:
        yield url


@pytest.fixture
def sql(server: str) -> Iterator[Sql]:
    """A shop whose orders can be followed."""
    with psycopg.connect(server, autocommit=True) as connection:

        def run(*statements: str) -> tuple[Any, ...] | None:
            *before, last = statements
            for statement in before:
                connection.execute(statement)
            found = connection.execute(last)
            return found.fetchone() if found.description else None

        run(
            "CREATE TABLE orders (id int PRIMARY KEY, customer text, sku text, status text,"
            " ordered_at timestamptz)",
            "CREATE PUBLICATION homing_shop FOR TABLE orders",
        )
        yield run
        run(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
            "DROP PUBLICATION IF EXISTS homing_shop",
            "DROP TABLE IF EXISTS orders",
        )


def stream(url: str, folder: Path, file: str = FILE) -> ChangesStream:
    declared = parse_declared(file, "shop.toml")
    assert declared.changes is not None
    around = Around({"URL": url}.__getitem__, folder, SystemClock(), lambda: None)
    return ChangesStream(declared.name, declared.changes, declared.event, around)


@pytest.fixture
def look(server: str, sql: Sql, tmp_path: Path) -> Look:
    """Looks at the shop as a start does, and tells where it would go on."""
    assert sql is not None

    def call() -> Place:
        followed = stream(server, tmp_path)
        with connected(address_of(server)) as database:
            followed._prepare(database)
        return Places(tmp_path).place

    return call


def test_the_first_start_makes_the_slot_and_others_find_it(sql: Sql, look: Look) -> None:
    first = look()
    assert (first.slot, first.read, first.position()) == ("homing_shop", False, first.begin)
    assert sql("SELECT plugin FROM pg_replication_slots") == ("pgoutput",)
    assert look() == first


def test_a_lost_folder_begins_anew_in_the_slot_that_is_there(
    sql: Sql, look: Look, tmp_path: Path
) -> None:
    first = look()
    (tmp_path / "position.json").unlink()
    sql("INSERT INTO orders VALUES (1)")
    assert look() == first


def test_columns_of_another_type_are_noted(sql: Sql, look: Look) -> None:
    look()
    sql("ALTER TABLE orders ALTER COLUMN id TYPE bigint")
    assert look().columns["public.orders"]["id"] == "bigint"


def test_columns_that_appear_meanwhile_are_noted(server: str, sql: Sql, tmp_path: Path) -> None:
    followed = stream(server, tmp_path)
    with connected(address_of(server)) as database:
        followed._prepare(database)
    sql("ALTER TABLE orders ADD COLUMN note text")
    shape = followed._look("public.orders")
    assert shape is not None
    assert shape.columns["note"] == "text"
    assert Places(tmp_path).place.columns["public.orders"] == shape.columns


def test_rows_that_are_there_are_left_unread_where_the_file_says_so(
    server: str, sql: Sql, tmp_path: Path
) -> None:
    assert sql is not None
    followed = stream(server, tmp_path, FILE.replace("[changes]", '[changes]\nsnapshot = "never"'))
    with connected(address_of(server)) as database:
        followed._prepare(database)
    assert Places(tmp_path).place.read


def test_rows_are_read_once_the_last_of_them_is_kept(
    look: Look, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look()
    followed = stream(server, tmp_path)
    offsets = ['{"snapshot":"INITIAL"}', '{"snapshot":"INITIAL","snapshot_completed":true}']
    seen: list[tuple[bool, bool]] = []

    def run(_: object, keep: Callable[[Batch], bool], __: object) -> None:
        seen.extend((keep(Batch([], one)), Places(tmp_path).place.read) for one in offsets)

    monkeypatch.setattr(followed, "_run_engine", run)
    rows: Any = None
    followed._reading(rows, Taken(1), threading.Event())
    assert seen == [(True, False), (False, True)]


def test_a_slot_that_somebody_reads_is_waited_for(tmp_path: Path) -> None:
    class Held:
        def slot(self, name: str, forget: str) -> Slot:
            assert (name, str(tmp_path) in forget) == ("homing_shop", True)
            return Slot(7, 4711)

    database: Any = Held()
    with pytest.raises(StoreUnavailable, match="being read already, by the server's process 4711"):
        Places(tmp_path).settle(database, "homing_shop", reads=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["DROP TABLE orders"], "no table public.orders that we may see"),
        (["ALTER TABLE orders DROP COLUMN status"], "has no column status: mend changes.state"),
        (["ALTER TABLE orders DROP COLUMN ordered_at"], "mend changes.time"),
        (["DROP PUBLICATION homing_shop"], "CREATE PUBLICATION homing_shop FOR TABLE public"),
        (["ALTER PUBLICATION homing_shop DROP TABLE orders"], "ALTER PUBLICATION homing_shop ADD"),
        (["SELECT pg_create_logical_replication_slot('mine', 'pgoutput')"], "no room for another"),
        ([SLOT.replace("pgoutput", "test_decoding")], "is of test_decoding, not of pgoutput"),
    ],
)
def test_what_is_missing_is_told_with_its_cure(
    sql: Sql, look: Look, statements: list[str], words: str
) -> None:
    sql(*statements)
    with pytest.raises(SettingsError, match=words):
        look()


def test_a_slot_that_is_gone_took_changes_with_it(sql: Sql, look: Look, tmp_path: Path) -> None:
    look()
    sql("SELECT pg_drop_replication_slot('homing_shop')")
    with pytest.raises(SettingsError, match=f"homing_shop is gone.* remove {tmp_path}"):
        look()


def test_a_slot_that_the_server_gave_up_is_lost(sql: Sql, look: Look) -> None:
    look()
    sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    for _ in range(4):
        sql("INSERT INTO orders VALUES (1)", "SELECT pg_switch_wal()", "DELETE FROM orders")
    sql("CHECKPOINT", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    with pytest.raises(SettingsError, match=r"homing_shop is lost: .*pg_drop_replication_slot"):
        look()


def test_what_was_read_elsewhere_is_missing_here(sql: Sql, look: Look) -> None:
    look()
    sql(
        "INSERT INTO orders VALUES (1)",
        "SELECT pg_replication_slot_advance('homing_shop', pg_current_wal_lsn())",
    )
    with pytest.raises(SettingsError, match=r"was read further than .* knows"):
        look()


def test_another_slot_than_before_has_to_be_meant(server: str, look: Look, tmp_path: Path) -> None:
    look()
    other = stream(server, tmp_path, FILE.replace("[changes]", '[changes]\nslot = "other"'))
    with connected(address_of(server)) as database, pytest.raises(SettingsError, match="not in o"):
        other._prepare(database)


def test_a_user_who_may_not_replicate_is_told(server: str, sql: Sql, tmp_path: Path) -> None:
    sql("CREATE ROLE reader LOGIN", "GRANT SELECT ON orders TO reader")
    try:
        url = server.replace("shop@", "reader@")
        with connected(address_of(url)) as database, pytest.raises(SettingsError, match="ALTER R"):
            stream(url, tmp_path)._prepare(database)
    finally:
        sql("DROP OWNED BY reader", "DROP ROLE reader")


def test_who_is_refused_for_good_is_told_and_who_gets_no_answer_comes_again(server: str) -> None:
    unknown = server.replace("shop@", "nobody:very-secret@")
    refuses = pytest.raises(SettingsError, match="refuses the user nobody")
    with refuses as refused, connected(address_of(unknown)):
        pass
    assert "very-secret" not in str(refused.value)
    nowhere = f"postgresql://shop:very-secret@127.0.0.1:{free_port()}/postgres"
    silent = pytest.raises(StoreUnavailable, match="does not answer")
    with silent as lost, connected(address_of(nowhere)):
        pass
    assert "very-secret" not in str(lost.value)


def test_what_the_server_refuses_is_told_by_its_kind(server: str) -> None:
    told = pytest.raises(SettingsError, match="UndefinedTable")
    with told, connected(address_of(server)) as database:
        database._one("SELECT * FROM nowhere")


def test_a_server_that_logs_too_little_is_told() -> None:
    class Answer:
        def fetchone(self) -> tuple[str]:
            return ("replica",)

    class Connection:
        def execute(self, query: bytes, values: object) -> Answer:
            assert (query, values) == (b"SHOW wal_level", ())
            return Answer()

    connection: Any = Connection()
    with pytest.raises(SettingsError, match=r"wal_level is replica.*wal_level = logical"):
        Database(connection).check_log()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://shop@db/shop",
        "postgresql://db/shop",
        "postgresql://shop@/shop?host=/run/postgresql",
        "postgresql://shop@one,two/shop",
        "postgresql://shop@db:port/shop",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="write one like") as error:
        address_of(url)
    assert url not in str(error.value)


def test_a_url_says_where_who_and_how() -> None:
    found = address_of("postgresql+psycopg://me:pass%20word@db:5433/shop?sslmode=verify-full")
    assert found[1:] == ("db", 5433, "shop", "me", "pass word", {"sslmode": "verify-full"})
    assert address_of("postgresql://me@db")[1:4] == ("db", 5432, "me")


@pytest.mark.parametrize("position", ["17", "{", '{"more": ' + 100_000 * "["], ids=len)
def test_a_place_of_another_kind_is_told(tmp_path: Path, position: str) -> None:
    (tmp_path / "position.json").write_text(json.dumps({"position": position}))
    with pytest.raises(StoreUnavailable, match="no place of a database: remove"):
        Places(tmp_path)


def test_without_java_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise jpype.JVMNotFoundException

    monkeypatch.setattr(jpype, "getDefaultJVMPath", nowhere)
    with pytest.raises(SettingsError, match=r"needs Java 17.*install openjdk-17-jre-headless"):
        debezium.start_java(128)


def test_a_java_that_can_not_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpype, "getDefaultJVMPath", lambda: "/opt/java-8/libjvm.so")
    with pytest.raises(SettingsError, match=r"/opt/java-8/libjvm.so is no such"):
        debezium.start_java(128)
