"""A lake that an earlier version wrote, without the columns that came later, goes on working."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from features import columns as c
from features.engine import open_engine
from features.event import Event, EventType
from features.lake import EVENTS, Lake, MergeReport
from features.tables import EVENT_SCHEMA, event_table
from tests.unit.features.making import NOW, event

LATER = [c.ITEMS, c.SERVED_BY, c.MODEL, c.MACHINE, c.ALIAS]
SHOWN = event(
    "sl_1", type=EventType.SLATE_SERVED, item=None, items=("lamp", "hat"), model="recommender/1"
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    older = event_table([event("a"), event("b")]).drop_columns(LATER)
    write_deltalake(str(tmp_path / EVENTS), older, partition_by=[c.DATE])
    return Lake(str(tmp_path))


def put(lake: Lake, *events: Event) -> MergeReport:
    return lake.merge_events(event_table(events))


def robots(lake: Lake) -> dict[str, bool]:
    """Event → whether a robot did it."""
    engine = open_engine()
    with closing(engine.con):
        table = lake.events(engine).to_pyarrow()
    marks = table.column(c.MACHINE).to_pylist()
    return dict(zip(table.column(c.ID).to_pylist(), marks, strict=True))


def rows(lake: Lake, version: int | None = None) -> dict[str, list[str] | None]:
    """Event → what it showed."""
    engine = open_engine()
    with closing(engine.con):
        table = lake.events(engine, version).to_pyarrow()
    assert table.schema.names == EVENT_SCHEMA.names
    return dict(zip(table.column(c.ID).to_pylist(), table.column(c.ITEMS).to_pylist(), strict=True))


def test_its_events_have_nothing_where_there_was_no_column(lake: Lake) -> None:
    assert rows(lake) == {"a": None, "b": None}


def test_nobody_was_a_robot_before_robots_were_known(lake: Lake) -> None:
    assert robots(lake) == {"a": False, "b": False}
    put(lake, event("c", machine=True), event("d"))
    assert robots(lake) == {"a": False, "b": False, "c": True, "d": False}


def test_the_first_merge_adds_the_columns_and_old_versions_stay_readable(lake: Lake) -> None:
    assert put(lake, SHOWN, event("a")) == MergeReport(rows=2, inserted=1, version=1)
    now = {"a": None, "b": None, "sl_1": ["lamp", "hat"]}
    assert rows(lake) == now
    assert rows(lake, version=0) == {"a": None, "b": None}
    lake.compact()
    assert rows(lake) == now


def test_columns_that_are_there_are_not_added_again(lake: Lake) -> None:
    put(lake, SHOWN)
    log = Path(lake.path(EVENTS)) / "_delta_log"
    assert "metaData" in (log / f"{1:020}.json").read_text()
    put(lake, event("c", NOW))
    assert "metaData" not in (log / f"{2:020}.json").read_text()
    names = [field.name for field in DeltaTable(lake.path(EVENTS)).schema().fields]
    assert sorted(names) == sorted(EVENT_SCHEMA.names)


def test_a_table_of_today_has_the_columns_from_the_start(tmp_path: Path) -> None:
    made = Lake(str(tmp_path))
    put(made, event("a"))
    schema = pa.schema(DeltaTable(made.path(EVENTS)).schema().to_arrow())
    assert set(LATER) <= set(schema.names)
