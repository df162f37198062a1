from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pytest
from deltalake import DeltaTable

from features.definitions import table as features
from features.definitions.table import DEFINITIONS, FEATURES, feature_table, open_past
from features.engine import open_engine
from features.errors import InvalidArgument, LakeMissing, LakeUnavailable
from features.event import EventType
from features.lake import EVENTS, Lake
from features.persons import persons
from features.tables import EVENT_SCHEMA, ITEM_SCHEMA, event_table, item_table
from tests.unit.features.definitions.told import T, happened
from tests.unit.features.making import ANN, BOB, CAT, DAN, EVE, identify, item


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    events = [
        happened(3, value=5.0),
        happened(40, item="hat"),
        happened(1, EventType.EMAIL_SENT, customer=BOB, item=None),
    ]
    lake.merge_events(event_table(events))
    lake.merge_items(item_table([item("lamp", categories=("home",))]))
    return lake


def test_everybody_with_a_past_has_every_feature_and_no_null(lake: Lake) -> None:
    table = feature_table(lake, T)
    assert table.schema.names == ["customer", *FEATURES]
    assert table.column("customer").to_pylist() == [ANN, BOB]
    assert all(table.column(name).null_count == 0 for name in FEATURES)
    assert table.column("spend").to_pylist() == [5.0, 0.0]
    assert table.column("category_top_share").to_pylist() == [1.0, 0.0]


def test_the_moment_itself_is_not_the_past(lake: Lake) -> None:
    moment = T - timedelta(days=40)
    assert feature_table(lake, moment).num_rows == 0
    assert feature_table(lake, moment + timedelta(microseconds=1)).num_rows == 1


def test_a_past_that_is_read_once_tells_of_every_earlier_moment(lake: Lake) -> None:
    moments = [T, T - timedelta(days=2), T - timedelta(days=39), T - timedelta(days=40)]
    with open_past(lake, T) as past:
        for at in moments:
            assert past.features(at).equals(feature_table(lake, at))
        assert [past.features(at).num_rows for at in moments] == [2, 1, 1, 0]


def test_numbers_in_place_of_names_change_no_feature(tmp_path: Path) -> None:
    lake, names = Lake(str(tmp_path)), ("lamp", "hat", "unknown", None)
    events = [
        happened(7 * number + place, kind, customer=who, item=name, value=float(number))
        for number, kind in enumerate(EventType)
        for place, name in enumerate(names)
        for who in ((ANN, BOB, CAT, DAN) if place % 2 else (BOB, DAN))
        if kind is not EventType.IDENTIFY
    ]
    events += [
        identify("i-1", CAT, ANN, -99),
        identify("i-2", DAN, CAT, -9),
        identify("i-3", CAT, EVE),
    ]
    items = [item("lamp", categories=("home", "light")), item("hat", categories=("wear",))]
    lake.merge_events(event_table(events))
    lake.merge_items(item_table(items))
    named = features.define(
        persons(ibis.memtable(event_table(events)), T), ibis.memtable(item_table(items)), T
    ).order_by("customer")
    engine = open_engine()
    with closing(engine.con):
        assert feature_table(lake, T).equals(engine.to_pyarrow(named))


def test_a_past_tells_of_no_later_moment_than_it_was_read_for(lake: Lake) -> None:
    with (
        open_past(lake, T - timedelta(days=2)) as past,
        pytest.raises(InvalidArgument, match="read"),
    ):
        past.features(T)


def test_an_older_version_gives_its_own_features(lake: Lake) -> None:
    before = feature_table(lake, T)
    lake.merge_events(event_table([happened(2, value=7.0)]))
    assert feature_table(lake, T, version=0).equals(before)
    assert feature_table(lake, T).column("spend").to_pylist() == [12.0, 0.0]


def test_names_are_unique() -> None:
    assert len(set(FEATURES)) == len(FEATURES) == sum(len(one.NAMES) for one in DEFINITIONS)


def test_a_time_without_zone_is_refused(lake: Lake) -> None:
    with pytest.raises(InvalidArgument, match="no time zone"):
        feature_table(lake, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_lake_that_is_missing_is_a_declared_error(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing):
        feature_table(Lake(str(tmp_path / "none")), T)


def test_a_file_that_is_gone_is_a_declared_error(lake: Lake) -> None:
    assert DeltaTable(lake.path(EVENTS)).version() == 0
    for file in lake.files():
        Path(file).write_bytes(b"not parquet")
    with pytest.raises(LakeUnavailable, match="can't be used"):
        feature_table(lake, T)


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "databricks", "postgres"])
def test_the_same_features_compile_for_warehouses(dialect: str) -> None:
    events = ibis.table(ibis.Schema.from_pyarrow(EVENT_SCHEMA), name="events")
    items = ibis.table(ibis.Schema.from_pyarrow(ITEM_SCHEMA), name="items")
    sql = str(ibis.to_sql(features.define(events, items, T), dialect=dialect))
    assert all(name in sql for name in FEATURES)
