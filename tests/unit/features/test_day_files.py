from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from features import columns as c
from features import day_files
from features.day_files import create_by_day
from features.engine import open_engine
from features.lake import Lake
from features.tables import EVENT_SCHEMA, event_table
from tests.unit.features.making import NOW, event

DAY = timedelta(days=1)


def batches(*days: int, size: int = 100) -> list[pa.RecordBatch]:
    """An event for each of these days."""
    table = event_table(
        event(f"e-{number}", NOW + day * DAY, items=("a", "b") if day else ())
        for number, day in enumerate(days)
    )
    return list(table.to_batches(max_chunksize=size))


@pytest.mark.parametrize("size", [1, 2, 6])
def test_each_day_is_a_file_whatever_the_batches(tmp_path: Path, size: int) -> None:
    create_by_day(str(tmp_path / "events"), batches(0, 0, 0, 1, 1, 2, size=size))
    actions = pa.table(DeltaTable(tmp_path / "events").get_add_actions(flatten=True)).to_pylist()
    found = {one[f"partition.{c.DATE}"]: one["num_records"] for one in actions}
    assert found == {"2026-03-01": 3, "2026-03-02": 2, "2026-03-03": 1}


def test_a_day_with_many_events_gets_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.day_files.MOST_ROWS", 2)
    create_by_day(str(tmp_path / "events"), batches(0, 0, 0, size=1))
    assert len(DeltaTable(tmp_path / "events").file_uris()) == 2


def test_delta_reads_adds_to_and_joins_what_was_written(tmp_path: Path) -> None:
    first = pa.Table.from_batches(batches(0, 0, 1, 1))
    lake = Lake(str(tmp_path))
    create_by_day(lake.path("events"), batches(0, 0, 1, 1, size=2))
    delta = DeltaTable(lake.path("events"))
    assert delta.to_pyarrow_table().sort_by(c.ID).select(EVENT_SCHEMA.names).to_pylist() == (
        first.to_pylist()
    )
    more = event_table([event("more", NOW, value=2.0)])
    assert lake.merge_events(more).inserted == 1
    lake.compact()
    assert len(lake.files()) == 2
    engine = open_engine()
    with closing(engine.con):
        found = lake.events(engine).order_by(c.ID).to_pyarrow()
    assert found.cast(EVENT_SCHEMA).to_pylist() == pa.concat_tables([first, more]).to_pylist()


def broken() -> Iterator[pa.RecordBatch]:
    yield from batches(0, 1)
    message = "the source broke off"
    raise OSError(message)


def test_rows_that_break_off_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broke off"):
        create_by_day(str(tmp_path / "events"), broken())
    assert files_below(tmp_path) == set()


def test_a_table_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "events")
    create_by_day(path, batches(0))
    before = files_below(tmp_path)
    with pytest.raises(DeltaError):
        create_by_day(path, batches(0, 1))
    assert files_below(tmp_path) == before


def test_a_table_that_was_made_stays_whole_though_its_maker_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = create_table_with_add_actions

    def create_and_interrupt(
        path: str,
        schema: Schema,
        added: list[AddAction],
        mode: Literal["error"],
        partition_by: list[str],
    ) -> None:
        create(path, schema, added, mode, partition_by)
        raise KeyboardInterrupt

    monkeypatch.setattr(day_files, "create_table_with_add_actions", create_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_by_day(str(tmp_path / "events"), batches(0, 1))
    assert DeltaTable(tmp_path / "events").to_pyarrow_table().num_rows == 2


def files_below(folder: Path) -> set[Path]:
    return {one for one in folder.rglob("*") if one.is_file()}
