from __future__ import annotations

import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from features import columns as c
from features import lake as lake_module
from features.engine import open_engine
from features.errors import InvalidArgument, LakeMissing, LakeUnavailable, SettingsError
from features.event import Event
from features.lake import EVENTS, ITEMS, SAME_ID_DAYS, Lake, MergeReport, declared
from features.tables import EVENT_SCHEMA, ITEM_SCHEMA, event_table, item_table, items_of
from tests.unit.features.making import NOW, event, item

DAY = timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "a läke"))


def put(lake: Lake, *events: Event) -> MergeReport:
    return lake.merge_events(event_table(events))


def ids(lake: Lake, version: int | None = None, as_of: datetime | None = None) -> list[str]:
    engine = open_engine()
    with closing(engine.con):
        table = lake.events(engine, version, as_of).to_pyarrow()
    return sorted(table.column(c.ID).to_pylist())


def test_what_was_merged_is_read_back(lake: Lake) -> None:
    made = [event("a", NOW - DAY, value=2.5), event("b", send="s", block="hero")]
    assert put(lake, *made) == MergeReport(rows=2, inserted=2, version=0)
    engine = open_engine()
    with closing(engine.con):
        table = lake.events(engine).to_pyarrow().sort_by(c.ID)
    assert table.schema.names == list(c.EVENT)
    assert table.equals(event_table(made).cast(table.schema))


def test_the_same_event_changes_nothing_however_often(lake: Lake) -> None:
    put(lake, event("a"), event("b"))
    assert put(lake, event("a"), event("a"), event("c")) == MergeReport(3, 1, 1)
    assert put(lake, event("c"), event("b")) == MergeReport(2, 0, 1)
    assert ids(lake) == ["a", "b", "c"]


def test_the_first_of_two_in_one_batch_counts(lake: Lake) -> None:
    put(lake, event("a", quantity=1.0), event("a", quantity=9.0))
    engine = open_engine()
    with closing(engine.con):
        assert lake.events(engine).to_pyarrow().column(c.QUANTITY).to_pylist() == [1.0]


@pytest.mark.parametrize("days", [1, SAME_ID_DAYS, -SAME_ID_DAYS])
def test_an_id_with_another_time_nearby_changes_nothing(lake: Lake, days: int) -> None:
    put(lake, event("a"))
    assert put(lake, event("a", NOW + days * DAY)).inserted == 0


def test_an_id_with_a_time_far_off_is_a_new_event(lake: Lake) -> None:
    put(lake, event("a"))
    assert put(lake, event("a", NOW + (SAME_ID_DAYS + 1) * DAY)).inserted == 1


def test_an_empty_batch_makes_a_table_and_then_no_version(lake: Lake) -> None:
    assert put(lake) == MergeReport(0, 0, 0)
    assert lake.files() == []
    assert ids(lake) == []
    assert put(lake) == MergeReport(0, 0, 0)


def test_a_stream_becomes_the_first_version_as_a_whole(lake: Lake) -> None:
    table = event_table([event("a", NOW - DAY), event("b")])
    assert lake.create_events(table.to_reader(), 2) == MergeReport(2, 2, 0)
    assert len(lake.files()) == 2


def test_creating_what_exists_changes_nothing_and_says_so(lake: Lake) -> None:
    put(lake, event("a"))
    assert lake.create_events(event_table([event("b")]).to_reader(), 1) is None
    assert ids(lake) == ["a"]


def test_a_table_that_another_writer_makes_meanwhile_is_merged_into(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Lake.exists
    put(lake, event("a"))
    answers = iter([False])
    monkeypatch.setattr(Lake, "exists", lambda self, table=EVENTS: next(answers, real(self, table)))
    assert put(lake, event("a"), event("b")).inserted == 1
    assert ids(lake) == ["a", "b"]


def test_a_lake_is_a_folder_and_no_address() -> None:
    with pytest.raises(SettingsError, match="HOMING_LAKE_PATH"):
        Lake("s3://bucket/lake")


def test_an_older_version_stays_readable(lake: Lake) -> None:
    put(lake, event("a"))
    put(lake, event("b"))
    assert ids(lake, version=0) == ["a"]
    assert ids(lake, version=1) == ["a", "b"]


def test_a_moment_reads_the_version_of_that_moment(lake: Lake) -> None:
    put(lake, event("a"))
    written = DeltaTable(lake.path(EVENTS)).history(1)[0]["timestamp"]
    put(lake, event("b"))
    moment = datetime.fromtimestamp(written / 1000, UTC)
    assert ids(lake, as_of=moment) == ["a"]
    assert ids(lake, as_of=moment + DAY) == ["a", "b"]


@pytest.mark.parametrize("version", [-1, 1])
def test_a_version_that_is_not_there_is_refused(lake: Lake, version: int) -> None:
    put(lake, event("a"))
    with pytest.raises(InvalidArgument, match="choose one from 0 to 0"):
        lake.files(EVENTS, version)


def test_a_lake_that_is_missing_says_how_to_fill_it(lake: Lake) -> None:
    assert not lake.exists()
    with pytest.raises(LakeMissing, match="homing import"):
        lake.version()


def test_a_lake_without_items_has_an_empty_catalogue(lake: Lake) -> None:
    engine = open_engine()
    with closing(engine.con):
        table = lake.items(engine).to_pyarrow()
    assert table.num_rows == 0
    assert table.schema.names == ITEM_SCHEMA.names


def test_items_are_replaced_by_id_and_the_last_of_a_batch_counts(lake: Lake) -> None:
    lake.merge_items(item_table([item("lamp", categories=("home",)), item("hat")]))
    newer = [item("hat", title="old"), item("hat", title="new"), item("cup")]
    assert lake.merge_items(item_table(newer)) == MergeReport(3, 1, 1)
    assert lake.merge_items(item_table([])) == MergeReport(0, 0, 1)
    engine = open_engine()
    with closing(engine.con):
        table = lake.items(engine).to_pyarrow().cast(ITEM_SCHEMA)
    found = {one.id: one for one in items_of(table)}
    assert found == {
        "lamp": item("lamp", categories=("home",)),
        "hat": item("hat", title="new"),
        "cup": item("cup"),
    }


def test_maintenance_joins_files_keeps_rows_and_deletes_what_is_old(lake: Lake) -> None:
    for number in range(4):
        put(lake, event(f"e{number}"))
    lake.merge_items(item_table([item("lamp")]))
    assert lake.maintain(timedelta(0)).__dict__ == {
        "files_before": 5,
        "files_after": 2,
        "deleted": 4,
    }
    assert ids(lake) == ["e0", "e1", "e2", "e3"]


def test_vacuum_keeps_what_young_versions_need(lake: Lake) -> None:
    put(lake, event("a"))
    put(lake, event("b"))
    lake.compact()
    assert lake.vacuum() == 0
    assert ids(lake, version=0) == ["a"]


def test_maintenance_of_no_lake_is_refused(lake: Lake) -> None:
    with pytest.raises(LakeMissing):
        lake.maintain()


def test_writers_at_the_same_time_lose_nothing(lake: Lake) -> None:
    put(lake, event("start"))

    def write(writer: int) -> None:
        for number in range(3):
            put(lake, event(f"{writer}-{number}"), event(f"both-{number}"))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    theirs = [f"{writer}-{number}" for writer in range(2) for number in range(3)]
    assert ids(lake) == sorted(["start", *theirs, *(f"both-{number}" for number in range(3))])


def test_a_writer_waits_for_its_turn(lake: Lake) -> None:
    put(lake, event("a"))
    ended = threading.Event()

    def write() -> None:
        put(lake, event("b"))
        ended.set()

    with lake._turn(EVENTS):  # as a writer in another process holds it
        other = threading.Thread(target=write)
        other.start()
        assert not ended.wait(0.2)
    other.join()
    assert ids(lake) == ["a", "b"]


def test_a_conflict_that_never_ends_is_declared(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, event("a"))
    monkeypatch.setattr(lake_module, "ATTEMPTS", 3)
    tries = []

    def conflict(fresh: pa.Table) -> int:
        tries.append(fresh.num_rows)
        message = "another writer came first"
        raise CommitFailedError(message)

    monkeypatch.setattr(lake, "_insert", conflict)
    with pytest.raises(LakeUnavailable, match="another writer came first"):
        put(lake, event("b"))
    assert tries == [1, 1, 1]


def test_a_corrupt_log_is_declared_with_its_path(lake: Lake) -> None:
    put(lake, event("a"))
    for entry in Path(lake.path(EVENTS), "_delta_log").glob("*.json"):
        entry.write_text("{")
    with pytest.raises(LakeUnavailable, match="a läke/events can't be used"):
        lake.files()


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("No space left on device (os error 28)", "free space"),
        ("Permission denied (os error 13)", "let this user"),
        ("anything else", "mend or restore"),
    ],
)
def test_a_failure_of_the_disk_tells_its_cure(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, said: str, cure: str
) -> None:
    put(lake, event("a"))

    def fail(_fresh: pa.Table) -> int:
        raise OSError(said)

    monkeypatch.setattr(lake, "_insert", fail)
    with pytest.raises(LakeUnavailable, match=cure):
        put(lake, event("b"))


def test_what_delta_says_without_a_name_is_declared_and_other_faults_are_not(lake: Lake) -> None:
    with pytest.raises(LakeUnavailable, match="broke off"), declared(lake.path(EVENTS)):
        raise Exception("a stream broke off")  # noqa: EM101, TRY002, TRY003 - as Delta does on one processor
    with pytest.raises(ZeroDivisionError), declared(lake.path(EVENTS)):
        _ = 1 / 0


FULL_DISK = """
import resource, signal, sys
from features.errors import LakeUnavailable
from features.lake import Lake
from features.tables import event_table
from tests.unit.features.making import event

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
try:
    Lake(sys.argv[1]).merge_events(event_table([event("b")]))
except LakeUnavailable as error:
    print("declared:", error)
"""


def test_a_disk_that_is_full_during_a_write_leaves_what_was_there(lake: Lake) -> None:
    put(lake, event("a"))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", FULL_DISK, lake.root],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.startswith("declared:")
    assert ids(lake) == ["a"]
    assert put(lake, event("b")).inserted == 1


def test_a_reader_keeps_its_version_while_others_write(lake: Lake) -> None:
    put(lake, event("a"))
    engine = open_engine()
    with closing(engine.con):
        before = lake.events(engine)
        put(lake, event("b"))
        assert before.count().to_pyarrow().as_py() == 1


def stream() -> Iterator[pa.RecordBatch]:
    yield event_table([event("a")]).to_batches()[0]
    message = "the source broke off"
    raise OSError(message)


def test_a_stream_that_breaks_off_leaves_no_table(lake: Lake) -> None:
    reader = pa.RecordBatchReader.from_batches(EVENT_SCHEMA, stream())
    with pytest.raises(LakeUnavailable, match="broke off"):
        lake.create_events(reader, 2)
    assert not lake.exists()


def test_the_table_of_items_has_versions_of_its_own(lake: Lake) -> None:
    put(lake, event("a"))
    lake.merge_items(item_table([item("lamp")]))
    lake.merge_items(item_table([item("hat")]))
    assert (lake.version(EVENTS), lake.version(ITEMS)) == (0, 1)
