from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing

import ibis
import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definitions.table import FEATURES, define
from features.engine import open_duckdb
from features.event import Event, EventType
from features.tables import EVENT_SCHEMA, ITEM_SCHEMA, event_table, item_table
from tests.unit.features.definitions.told import T, ago
from tests.unit.features.making import ANN, BOB, event, item

ITEMS = [item("lamp", categories=("home",)), item("hat", categories=("wear",)), item("cup")]


def happenings(first: float, last: float) -> st.SearchStrategy[list[Event]]:
    """Events between so many days before T."""
    one = st.tuples(
        st.sampled_from(EventType),
        st.sampled_from([ANN, BOB]),
        st.sampled_from(["lamp", "hat", "cup", "unknown"]),
        st.floats(last, first),
        st.none() | st.floats(0, 1e4),
    )
    return st.lists(one, max_size=12).map(
        lambda rows: [
            event(f"{first}-{n}", ago(days), type=kind, customer=who, item=what, value=value)
            for n, (kind, who, what, days, value) in enumerate(rows)
        ]
    )


# Compiled once; what varies is the tables that it runs on.
SQL = str(
    ibis.to_sql(
        define(
            ibis.table(ibis.Schema.from_pyarrow(EVENT_SCHEMA), name="events"),
            ibis.table(ibis.Schema.from_pyarrow(ITEM_SCHEMA), name="items"),
            T,
        ).order_by("customer"),
        dialect="duckdb",
    )
)


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    with closing(open_duckdb()) as con:
        con.register("items", item_table(ITEMS))
        yield con


def features(con: DuckDBPyConnection, events: list[Event]) -> pa.Table:
    """All features as of T."""
    con.register("events", event_table(events))
    return con.sql(SQL).to_arrow_table()


@settings(max_examples=25, deadline=None)
@given(past=happenings(400, 0.001), future=happenings(0, -30))
def test_what_happens_at_or_after_t_changes_nothing(
    con: DuckDBPyConnection, past: list[Event], future: list[Event]
) -> None:
    known = features(con, past)
    assert features(con, [*future, *past]).equals(known)
    assert known.column("customer").to_pylist() == sorted({one.customer for one in past})
    assert all(math.isfinite(row[name]) for row in known.to_pylist() for name in FEATURES)
