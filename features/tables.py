"""Events and items as Arrow tables: the form in which the lake takes them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from features import columns as c
from features.event import Event
from features.item import Item

_MOMENT = pa.timestamp("us", tz="UTC")
_EVENT_TYPES: dict[str, pa.DataType] = {
    c.OCCURRED_AT: _MOMENT,
    c.QUANTITY: pa.float64(),
    c.VALUE: pa.float64(),
    c.ITEMS: pa.list_(pa.string()),
    c.MACHINE: pa.bool_(),
}
_ITEM_TYPES: dict[str, pa.DataType] = {
    c.PRICE: pa.float64(),
    c.CATEGORIES: pa.list_(pa.string()),
    c.IN_STOCK: pa.bool_(),
    c.AVAILABLE_FROM: _MOMENT,
    c.AVAILABLE_UNTIL: _MOMENT,
    c.ATTRIBUTES: pa.map_(pa.string(), pa.string()),
}

EVENT_SCHEMA = pa.schema([(name, _EVENT_TYPES.get(name, pa.string())) for name in c.EVENT])
"""Text is UTF-8, moments are microseconds in UTC, amounts are 64-bit floats; `items` is null where
there are none, as in rows that are older than the column."""
ITEM_SCHEMA = pa.schema([(name, _ITEM_TYPES.get(name, pa.string())) for name in c.CATALOGUE])


def event_table(events: Iterable[Event]) -> pa.Table:
    """Events as the lake keeps them, in the order given: `EVENT_SCHEMA`."""
    rows = [msgspec.structs.astuple(event) for event in events]
    values = list(zip(*rows, strict=True)) or [()] * len(Event.__struct_fields__)
    arrays = {
        name: pa.array(column, EVENT_SCHEMA.field(name).type)
        for name, column in zip(Event.__struct_fields__, values, strict=True)
    }
    shown = arrays[c.ITEMS]
    arrays[c.ITEMS] = pc.if_else(pc.equal(pc.list_value_length(shown), 0), None, shown)
    arrays[c.DATE] = arrays[c.OCCURRED_AT].cast(pa.date32()).cast(pa.string())
    return pa.table({name: arrays[name] for name in c.EVENT}, schema=EVENT_SCHEMA)


def item_table(items: Iterable[Item]) -> pa.Table:
    """Items as the lake keeps them, in the order given: `ITEM_SCHEMA`."""
    rows = [msgspec.structs.asdict(item) for item in items]
    for row in rows:
        row[c.ATTRIBUTES] = list(row[c.ATTRIBUTES].items())
    return pa.Table.from_pylist(rows, schema=ITEM_SCHEMA)


def items_of(table: pa.Table) -> list[Item]:
    """The items that a table of `ITEM_SCHEMA` holds."""
    return [msgspec.convert(row, Item) for row in table.to_pylist(maps_as_pydicts="strict")]


def first_of_each(table: pa.Table, column: str = c.ID) -> pa.Table:
    """The first row of each value of a column, in the order of the table."""
    positions = pa.array(range(table.num_rows), pa.int64())
    numbered = pa.table({"key": table.column(column), "row": positions})
    first = numbered.group_by("key").aggregate([("row", "min")]).column("row_min")
    if len(first) == table.num_rows:
        return table
    return table.take(first.combine_chunks().sort())
