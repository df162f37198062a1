"""What goes wrong with a file is declared, names the file and the cure, and keeps nothing half."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from features.alias import Claim, Identified
from features.clock import SystemClock
from features.errors import StoreUnavailable
from features.item import Item
from features.profile import Profile
from features.stores import sqlite_file
from features.stores.opening import Stores, open_log, open_stores
from features.stores.sqlite import SCHEMA, SqliteProfiles
from features.stores.sqlite_catalogue import SqliteCatalogue
from features.stores.sqlite_pins import SqlitePins
from tests.unit.features.stores.profile_suite import ADA, BOB, bought


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "profiles.db"


@pytest.fixture
def stores(path: Path) -> Iterator[Stores]:
    stores = open_stores(f"sqlite:///{path}")
    yield stores
    stores.close()


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The machine refuses to write beyond this many bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_nothing_of_the_call_and_all_from_before(
    stores: Stores, path: Path
) -> None:
    stores.profiles.fold({ADA: bought("tea", 1)})
    assert isinstance(stores.profiles, SqliteProfiles)
    with stores.profiles._file.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    many = {f"ck_{number:032x}": bought("pot" * 60, number) for number in range(1_000)}
    with pytest.raises(StoreUnavailable, match=rf"{path}: .*full: free some space"):
        stores.profiles.fold({ADA: bought("cup", 2)} | many)
    assert stores.profiles.get(ADA) == Profile(ADA, bought("tea", 1))
    assert stores.profiles.count() == 1
    # The connection of the failure is gone, and with it the limit: there is space again.
    stores.profiles.fold(many)
    assert stores.profiles.count() == 1_001


def test_a_disk_that_refuses_a_write_loses_no_event_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = open_log(f"sqlite:///{path}")
    log.append([b"kept"])
    with (
        no_file_beyond(path.with_name("events.db-wal").stat().st_size + 8_000),
        pytest.raises(StoreUnavailable, match=rf"{path}: .*check the space"),
    ):
        log.append([b"lost" * 100_000])
    log.append([b"kept again"])
    assert [entry.body for entry in log.take("reader", 10)] == [b"kept", b"kept again"]
    log.close()


def test_a_writer_waits_no_longer_than_it_says(
    stores: Stores, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.1)
    stores.profiles.fold({ADA: bought("tea", 1)})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"locked: another process has been writing"):
            stores.profiles.fold({ADA: bought("pot", 2)})
        # A reader does not wait for a writer.
        assert stores.profiles.get(ADA) == Profile(ADA, bought("tea", 1))
        other.execute("ROLLBACK")
    stores.profiles.fold({ADA: bought("pot", 2)})


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 100])
def test_a_file_that_is_no_database_is_told(stores: Stores, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=rf"{path}: .*restore it from a backup"):
        stores.profiles.get(ADA)


def test_a_corrupt_page_is_told(stores: Stores, path: Path) -> None:
    stores.profiles.put_many(Profile(f"ck_{n:032x}", bought("tea", n)) for n in range(500))
    stores.close()
    damaged = bytearray(path.read_bytes())
    damaged[sqlite_file.PAGE_BYTES :] = b"\xff" * (len(damaged) - sqlite_file.PAGE_BYTES)
    path.write_bytes(damaged)
    again = open_stores(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match=rf"{path}: .*restore it from a backup"):
        again.profiles.get(ADA)
    again.close()


def test_a_file_that_is_removed_under_us_is_told_and_found_again(
    stores: Stores, path: Path
) -> None:
    stores.profiles.fold({ADA: bought("tea", 1)})
    stores.profiles.ping()
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(f"{path}.bak")) as copy:
        source.backup(copy)
    for name in ("profiles.db", "profiles.db-wal", "profiles.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    with pytest.raises(StoreUnavailable, match=rf"{path} was removed: restore it"):
        stores.profiles.get(ADA)
    Path(f"{path}.bak").rename(path)
    assert stores.profiles.get(ADA) == Profile(ADA, bought("tea", 1))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stores = open_stores(f"sqlite:///{tmp_path / 'file' / 'profiles.db'}")
    with pytest.raises(StoreUnavailable, match=r"can't be made: .*choose another folder"):
        stores.profiles.ping()
    stores.close()


def test_a_path_that_is_a_folder_is_told(tmp_path: Path) -> None:
    stores = open_stores(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnavailable, match=r"let this process read and write the file"):
        stores.profiles.ping()
    stores.close()


def test_bytes_that_are_no_profile_and_no_item_are_told(stores: Stores, path: Path) -> None:
    stores.profiles.fold({ADA: bought("tea", 1), BOB: bought("tea", 1)})
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE profiles SET history = x'ff' WHERE customer = ?", (ADA,))
        other.execute("INSERT INTO items VALUES ('tea', x'ff')")
        other.commit()
    with pytest.raises(StoreUnavailable, match=rf"{path}: the profile of {ADA}.*delete it"):
        stores.profiles.get(ADA)
    with pytest.raises(StoreUnavailable, match="delete it"):
        stores.profiles.fold({ADA: bought("pot", 1)})
    with pytest.raises(StoreUnavailable, match=rf"{path}: an item.*send the catalogue again"):
        list(stores.catalogue.all())
    assert stores.profiles.delete(ADA)
    assert stores.profiles.get(BOB) == Profile(BOB, bought("tea", 1))


def test_a_connection_that_is_out_while_the_store_closes_is_closed_after_all(path: Path) -> None:
    file = sqlite_file.SqliteFile(path, "CREATE TABLE one (number INTEGER)")
    with file.reading() as connection:
        file.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_text_that_is_no_text_is_the_callers_error(path: Path) -> None:
    file = sqlite_file.SqliteFile(path, "CREATE TABLE one (number INTEGER)")
    with pytest.raises(UnicodeEncodeError):
        file.rows("SELECT ?", ("\ud800",))
    assert file.rows("SELECT 1") == [(1,)]
    file.close()


def test_an_error_of_the_caller_rolls_back_and_goes_through(path: Path) -> None:
    file = sqlite_file.SqliteFile(path, "CREATE TABLE one (number INTEGER)")

    def write_and_fail() -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO one VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone() == (0,)
    file.close()


def test_tables_that_another_process_made_meanwhile_are_not_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = "CREATE TABLE one (number INTEGER)"
    other = sqlite_file.SqliteFile(path, schema)
    with other.writing() as connection:
        connection.execute("INSERT INTO one VALUES (1)")
    other.close()
    looks = iter([0, 1])  # before waiting for the lock, and with it
    monkeypatch.setattr(sqlite_file, "_version", lambda _: next(looks))
    file = sqlite_file.SqliteFile(path, schema)
    with file.reading() as connection:
        assert connection.execute("SELECT number FROM one").fetchall() == [(1,)]
    assert list(looks) == []
    file.close()


def test_a_file_of_an_earlier_version_is_brought_up_to_date_and_loses_nothing(path: Path) -> None:
    before = sqlite_file.SqliteFile(path, SCHEMA)
    SqliteProfiles(before, SqlitePins(before, SystemClock())).put_many([Profile(ADA)])
    SqliteCatalogue(before).put_many([Item(id="tea", title="Tea")])
    stores = open_stores(f"sqlite:///{path}")
    assert stores.profiles.get(ADA) == Profile(ADA)
    assert stores.catalogue.overrides() == (0, ())
    stores.profiles.fold({ADA: bought("tea", 1)}, {ADA: Identified(Claim(1, BOB))})
    assert stores.profiles.get(BOB) == Profile(BOB, bought("tea", 1))
    # The version of before goes on with the same file.
    SqliteCatalogue(before).put_many([Item(id="pot", title="Pot")])
    assert stores.catalogue.count() == 2
    before.close()
    stores.close()
    again = sqlite_file.SqliteFile(path, SCHEMA)
    assert SqliteCatalogue(again).count() == 2
    again.close()


def test_overrides_that_cannot_be_read_are_told(stores: Stores, path: Path) -> None:
    stores.profiles.ping()
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE overrides SET body = x'ff'")
        other.commit()
    with pytest.raises(StoreUnavailable, match=rf"{path}: the overrides can't be read.*backup"):
        stores.catalogue.overrides()


def test_only_the_owner_may_read_what_is_kept(stores: Stores, path: Path) -> None:
    stores.profiles.put_many([Profile(ADA)])
    stores.pins.pin(ADA, "monday", "hero", b"slate", 60)

    kept = list(path.parent.glob("profiles*"))
    assert {"profiles.db", "profiles.db-wal", "profiles.pins.db"} <= {file.name for file in kept}
    assert all(file.stat().st_mode & 0o077 == 0 for file in kept)
