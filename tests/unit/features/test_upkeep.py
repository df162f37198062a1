"""The lake stays healthy by itself: on real tables, beside merges, and with time travel kept."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError

from features.clock import FixedClock
from features.errors import LakeUnavailable
from features.ingest import keep_up, run_ingest
from features.item import Item
from features.lake import EVENTS, ITEMS, Lake
from features.settings import Settings
from features.tables import event_table, item_table
from features.upkeep import TURN, Upkeep, UpkeepReport
from tests.unit.features.making import event

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
KEEP = timedelta(days=7)
TODAY, LATE = NOW.date(), date(2026, 6, 3)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def upkeep(lake: Lake, clock: FixedClock) -> Upkeep:
    return Upkeep(lake, KEEP, 3, clock)


def merge(lake: Lake, name: str, day: date = TODAY) -> None:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    lake.merge_events(event_table([event(name, at)]))


def files_of(lake: Lake, day: date) -> int:
    return sum(f"date={day}" in file for file in lake.files())


def ids(lake: Lake, version: int | None = None) -> set[str]:
    files = lake.files(EVENTS, version)
    return {name for file in files for name in pq.ParquetFile(file).read(["id"])["id"].to_pylist()}


def rounded(lake: Lake, at: datetime = NOW) -> None:
    """Say that the daily round was done then."""
    turn = Path(lake.root) / TURN
    turn.touch()
    os.utime(turn, (at.timestamp(), at.timestamp()))


def test_nothing_is_done_where_there_is_no_lake(upkeep: Upkeep, lake: Lake) -> None:
    assert upkeep.look() == UpkeepReport()
    assert not Path(lake.root).exists()


def test_a_day_of_too_many_small_files_is_joined_and_others_are_left(
    lake: Lake, upkeep: Upkeep
) -> None:
    for number in range(3):
        merge(lake, f"e-{number}")
    for number in range(2):
        merge(lake, f"late-{number}", LATE)
    rounded(lake)
    assert upkeep.look() == UpkeepReport(joined=3)
    assert (files_of(lake, TODAY), files_of(lake, LATE)) == (1, 2)
    assert ids(lake) == {"e-0", "e-1", "e-2", "late-0", "late-1"}
    assert upkeep.look() == UpkeepReport()


def test_what_is_joined_and_summed_up_is_on_the_disk_before_older_files_go(
    lake: Lake, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        merge(lake, f"e-{number}")
    synced: set[Path] = set()
    sync, vacuum = os.fsync, Lake.vacuum

    def noted(number: int) -> None:
        sync(number)
        synced.add(Path(f"/proc/self/fd/{number}").readlink())

    def vacuum_what_is_safe(lake: Lake, retention: timedelta) -> int:
        log = Path(lake.path(EVENTS), "_delta_log")
        assert {log / "_last_checkpoint", *log.glob("*.checkpoint.parquet")} <= synced
        assert set(map(Path, lake.files())) <= synced
        return vacuum(lake, retention)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Lake, "vacuum", vacuum_what_is_safe)
    assert upkeep.look().joined == 2


def test_late_events_land_in_their_own_days_and_are_joined_there(
    lake: Lake, upkeep: Upkeep
) -> None:
    merge(lake, "e-0")
    rounded(lake)
    for number in range(3):
        merge(lake, f"late-{number}", LATE)
    assert (files_of(lake, TODAY), files_of(lake, LATE)) == (1, 3)
    upkeep.look()
    assert (files_of(lake, TODAY), files_of(lake, LATE)) == (1, 1)


def test_once_a_day_every_day_with_two_small_files_is_joined(
    lake: Lake, upkeep: Upkeep, clock: FixedClock
) -> None:
    merge(lake, "e-0", LATE)
    merge(lake, "e-1", LATE)
    rounded(lake)
    assert upkeep.look() == UpkeepReport()
    clock.advance(timedelta(hours=25))
    assert upkeep.look() == UpkeepReport(joined=2)
    merge(lake, "e-2", LATE)
    assert upkeep.look() == UpkeepReport()


def test_however_many_days_are_joined_a_merge_loses_to_one_commit(
    lake: Lake, upkeep: Upkeep
) -> None:
    for number in range(3):
        days = [event(f"{day}-{number}", NOW - timedelta(days=day)) for day in range(4)]
        lake.merge_events(event_table(days))
    rounded(lake)
    before = lake.version()
    assert upkeep.look() == UpkeepReport(joined=12)
    assert len(lake.files()) == 4
    assert lake.version() == before + 1


def test_items_are_joined_too(lake: Lake, upkeep: Upkeep) -> None:
    merge(lake, "e-0")
    for name in ("lamp", "hat"):
        lake.merge_items(item_table([Item(id=name, title=name)]))
    upkeep.look()
    assert len(lake.files(ITEMS)) == 1
    names = pa.concat_tables(pq.ParquetFile(file).read() for file in lake.files(ITEMS))["id"]
    assert sorted(names.to_pylist()) == ["hat", "lamp"]


def age(lake: Lake, by: timedelta) -> None:
    """Make everything of the events so much older."""
    for path in Path(lake.path(EVENTS)).rglob("*"):
        if path.is_file():
            at = path.stat().st_mtime - by.total_seconds()
            os.utime(path, (at, at))


def test_versions_stay_readable_as_long_as_they_are_kept(
    lake: Lake, upkeep: Upkeep, clock: FixedClock
) -> None:
    for number in range(3):
        merge(lake, f"e-{number}")
    before = lake.version()
    upkeep.look()
    age(lake, KEEP - timedelta(hours=1))
    clock.advance(timedelta(days=2))
    assert upkeep.look().deleted == 0
    assert ids(lake, before) == ids(lake) == {"e-0", "e-1", "e-2"}
    assert ids(lake, 0) == {"e-0"}


def test_files_that_are_old_when_they_are_joined_stay_for_those_who_read_them(
    lake: Lake, upkeep: Upkeep, clock: FixedClock
) -> None:
    merge(lake, "e-0")
    merge(lake, "e-1")
    reading = lake.version()
    age(lake, KEEP * 5)
    assert upkeep.look() == UpkeepReport(joined=2)
    assert ids(lake, reading) == {"e-0", "e-1"}
    clock.advance(timedelta(days=2))
    assert upkeep.look() == UpkeepReport()
    assert ids(lake, reading) == {"e-0", "e-1"}


def test_the_log_and_old_files_are_cut_when_they_are_older(
    lake: Lake, upkeep: Upkeep, clock: FixedClock
) -> None:
    for number in range(3):
        merge(lake, f"e-{number}")
    upkeep.look()
    log = Path(lake.path(EVENTS)) / "_delta_log"
    before = len(list(log.glob("*.json")))
    age(lake, KEEP + timedelta(hours=1))
    clock.advance(timedelta(days=8))
    merge(lake, "e-3")
    upkeep.look()
    assert len(list(log.glob("*.json"))) < before
    assert ids(lake) == {"e-0", "e-1", "e-2", "e-3"}


def test_what_a_dead_writer_left_is_deleted_in_the_end(lake: Lake, upkeep: Upkeep) -> None:
    merge(lake, "e-0")
    left = Path(lake.files()[0]).with_name("part-left.parquet")
    left.write_bytes(b"half")
    age(lake, KEEP + timedelta(hours=1))
    assert upkeep.look().deleted == 1
    assert not left.exists()
    assert ids(lake) == {"e-0"}


def test_one_of_several_processes_does_it(lake: Lake, upkeep: Upkeep) -> None:
    for number in range(3):
        merge(lake, f"e-{number}")
    rounded(lake)
    with (Path(lake.root) / TURN).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert upkeep.look() == UpkeepReport()
    assert upkeep.look() == UpkeepReport(joined=3)


def test_a_file_system_without_locks_refuses_nobody(
    lake: Lake, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        merge(lake, f"e-{number}")
    rounded(lake)

    def no_locks(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr("features.upkeep.fcntl.flock", no_locks)
    assert upkeep.look() == UpkeepReport(joined=3)


def test_a_loop_may_leave_the_lake_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("features.ingest.Upkeep")
    stop = threading.Event()
    stop.set()
    run_ingest(Settings(home=tmp_path, lake_small_files=0), stop)


def test_merges_go_on_meanwhile_and_nothing_is_lost_or_doubled(lake: Lake, upkeep: Upkeep) -> None:
    merge(lake, "first")
    rounded(lake)
    names = [f"e-{number}" for number in range(15)]

    def work() -> None:
        for name in names:
            merge(lake, name)

    working = threading.Thread(target=work)
    working.start()
    joined = 0
    while working.is_alive():
        joined += upkeep.look().joined
    working.join()
    assert joined > 0
    assert ids(lake) == {"first", *names}
    assert sum(pq.ParquetFile(file).metadata.num_rows for file in lake.files()) == 16


def test_who_joins_later_than_another_leaves_it_to_that_one(
    lake: Lake, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        merge(lake, f"e-{number}")
    rounded(lake)

    def too_late(*_: object, **__: object) -> dict[str, int]:
        message = "somebody was faster"
        raise CommitFailedError(message)

    monkeypatch.setattr("deltalake.table.TableOptimizer.compact", too_late)
    assert upkeep.look() == UpkeepReport()
    assert ids(lake) == {"e-0", "e-1", "e-2"}


def test_a_lake_that_cannot_be_read_says_so(lake: Lake, upkeep: Upkeep) -> None:
    merge(lake, "e-0")
    (Path(lake.path(EVENTS)) / "_delta_log" / "00000000000000000000.json").write_text("broken")
    with pytest.raises(LakeUnavailable):
        upkeep.look()


def test_the_loop_looks_now_and_then_until_it_is_told_to_stop(
    lake: Lake, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.ingest.UPKEEP_SECONDS", 0.0)
    for number in range(3):
        merge(lake, f"e-{number}")
    stop = threading.Event()
    step = keep_up(upkeep, stop)
    stop.set()
    step()
    assert len(lake.files()) == 3
    stop.clear()
    step()
    assert len(lake.files()) == 1
