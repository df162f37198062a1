"""The log on SQLite shares its commits, refuses what it can't take, and cleans up in pieces."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import StoreUnavailable
from features.stores import sqlite_log, sqlite_pins
from features.stores.opening import open_stores
from features.stores.sqlite_log import SqliteLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(path, FixedClock(datetime(2026, 1, 1, tzinfo=UTC)))
    yield log
    log.close()


def test_appends_that_wait_together_are_committed_together(log: SqliteLog, path: Path) -> None:
    log.append([b"first"])
    statements: list[str] = []
    with log._file.reading() as connection:
        connection.set_trace_callback(statements.append)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # holds the writer up while the appends gather
        with ThreadPoolExecutor(20) as threads:
            appends = [threads.submit(log.append, [b"0"])]
            while "BEGIN IMMEDIATE" not in statements:
                time.sleep(0.001)
            appends += [threads.submit(log.append, [b"%d" % number]) for number in range(1, 20)]
            while len(log._waiting) < 19:
                time.sleep(0.001)
            other.execute("ROLLBACK")
    assert [append.result() for append in appends] == [None] * 20
    assert statements.count("COMMIT") == 2
    assert log.depth("reader") == 21


def test_how_much_waits_is_looked_up_and_not_counted(log: SqliteLog, path: Path) -> None:
    log.append([b"0"])
    with closing(sqlite3.connect(path)) as connection:
        for statement, asked in ((sqlite_log._DEPTH, ("reader",)), (sqlite_log._ALL, ())):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", asked).fetchall()
            assert not [step for *_, step in plan if "SCAN entries" in step]


def test_an_append_that_cannot_be_committed_in_time_says_to_send_again(
    log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([b"first"])
    monkeypatch.setattr(sqlite_log, "APPEND_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"no commit within 0.05 s: send .* again"):
            log.append([b"second"])
        other.execute("ROLLBACK")
    log.close()


def test_a_log_that_is_overloaded_says_so(
    log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([b"first"])
    monkeypatch.setattr(sqlite_log, "MAX_WAITING", 1)
    refusals = []
    with (
        monkeypatch.context() as patched,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        patched.setattr(sqlite_log, "APPEND_SECONDS", 0.05)
        other.execute("BEGIN IMMEDIATE")
        # One is soon with the writer, who can't commit it, one waits, and there is no more room.
        for number in range(4):
            with pytest.raises(StoreUnavailable) as refused:
                log.append([b"%d" % number])
            refusals.append(str(refused.value))
        other.execute("ROLLBACK")
    assert "no commit within" in refusals[0]
    assert "1 appends are waiting: the disk is slower" in refusals[-1]
    log.append([b"last"])
    assert b"3" not in [entry.body for entry in log.take("reader", 10)]


def test_much_is_trimmed_in_pieces(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_log, "TRIM_CHUNK", 2)
    log.append([b"1", b"2", b"3", b"4", b"5"])
    log.commit("reader", log.take("reader", 5)[-1].position)
    assert log.trim() == 5
    assert log.depth("reader") == 0


def test_a_large_append_does_not_wait_for_a_full_group(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "MAX_GROUP", 2)
    log.append([b"%d" % number for number in range(50)])
    log.append([b"50"])
    assert [entry.body for entry in log.take("reader", 100)] == [b"%d" % n for n in range(51)]


def test_expired_pins_are_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_pins, "SWEEP_EVERY", 3)
    path = tmp_path / "profiles.db"
    stores = open_stores(f"sqlite:///{path}")
    for number in range(5):
        stores.pins.pin("ck_" + "a" * 32, f"mail-{number}", "hero", b"slate", 0)
    stores.close()
    with closing(sqlite3.connect(tmp_path / "profiles.pins.db")) as kept:
        assert [row[0] for row in kept.execute("SELECT send FROM pins")] == ["mail-3", "mail-4"]
