from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pyarrow as pa

from features import columns as c
from features.event import Event, EventType
from features.item import Item
from features.tables import (
    EVENT_SCHEMA,
    ITEM_SCHEMA,
    event_table,
    first_of_each,
    item_table,
    items_of,
)
from tests.unit.features.making import BOB, event, item


def test_the_columns_are_the_fields_of_the_types() -> None:
    assert (*Event.__struct_fields__, c.DATE) == c.EVENT
    assert Item.__struct_fields__ == c.CATALOGUE


def test_events_become_rows_with_their_utc_day() -> None:
    late = datetime(2026, 2, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    table = event_table([event("a", late, value=2.5), event("b")])
    assert table.schema == EVENT_SCHEMA
    assert table.column(c.DATE).to_pylist() == ["2026-02-01", "2026-03-01"]
    (first, _) = table.to_pylist()
    given = {name: value for name, value in first.items() if value is not None and name != c.DATE}
    assert Event(**given) == event("a", late, value=2.5)


def test_what_a_slate_showed_is_a_list_and_null_where_nothing_was_shown() -> None:
    shown = event("sl_1", type=EventType.SLATE_SERVED, item=None, items=("lamp", "hat"))
    table = event_table([shown, event("b")])
    assert table.column(c.ITEMS).to_pylist() == [["lamp", "hat"], None]


def test_robots_and_who_is_whom_have_columns_of_their_own() -> None:
    known = event("i", type=EventType.IDENTIFY, item=None, alias=BOB)
    table = event_table([event("a", machine=True), known])
    assert table.column(c.MACHINE).to_pylist() == [True, False]
    assert table.column(c.ALIAS).to_pylist() == [None, BOB]


def test_no_events_are_an_empty_table() -> None:
    assert event_table([]) == EVENT_SCHEMA.empty_table()
    assert item_table([]) == ITEM_SCHEMA.empty_table()


def test_items_come_back_as_they_went() -> None:
    full = item(
        "lamp",
        url="https://x/y",
        price=2.0,
        currency="GBP",
        categories=("home", "light"),
        brand="B",
        in_stock=False,
        available_from=datetime(2026, 1, 1, tzinfo=UTC),
        attributes={"size": "S", "": ""},
    )
    assert items_of(item_table([full, item("hat")])) == [full, item("hat")]


def test_the_first_of_each_id_is_kept_in_order() -> None:
    table = pa.table({"id": ["b", "a", "b", "c", "a"], "n": [1, 2, 3, 4, 5]})
    assert first_of_each(table).to_pylist() == [
        {"id": "b", "n": 1},
        {"id": "a", "n": 2},
        {"id": "c", "n": 4},
    ]


def test_a_table_without_repetition_is_left_alone() -> None:
    table = pa.table({"id": ["b", "a"]})
    assert first_of_each(table) is table


def test_an_item_without_optional_fields_is_itself_again() -> None:
    (back,) = items_of(item_table([item("hat")]))
    assert msgspec.json.encode(back) == msgspec.json.encode(item("hat"))
