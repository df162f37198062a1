"""Imports a few rows and reads back what became of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features import columns as c
from features.clock import FixedClock
from features.engine import open_engine
from features.importing import Destination, ImportReport, import_file
from features.lake import Lake
from features.mapping import parse_mapping
from tests.unit.features.making import KEYS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVENT = """
name = "shop"
[event]
customer = "who"
item = "what"
type = "purchase"
time = { column = "at", zone = "UTC" }
"""
ITEMS = """
name = "shop"
[items]
id = "what"
title = "label"
"""


def rows(*given: Mapping[str, Any], **same: object) -> list[dict[str, Any]]:
    """Rows with what all of them share; a lamp bought by 7 on the first of February."""
    base = {"who": "7", "what": "lamp", "at": datetime(2026, 2, 1, tzinfo=UTC), **same}
    return [{**base, **one} for one in given]


def parquet(folder: Path, given: Sequence[Mapping[str, Any]], name: str = "file.parquet") -> Path:
    """A Parquet file of these rows; times in it have no zone."""
    table = pa.Table.from_pylist(list(given))
    for place, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            bare = table.column(place).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
            table = table.set_column(place, column.name, bare)
    pq.write_table(table, folder / name)
    return folder / name


def run(path: Path, mapping: str, into: Destination) -> ImportReport:
    """Import by the text of a mapping."""
    return import_file(path, parse_mapping(mapping, "m.toml"), into, KEYS, FixedClock(NOW))


def events(lake: Lake) -> list[dict[str, Any]]:
    """The lake's events in the order of time, item and id, without what is null."""
    engine = open_engine()
    with closing(engine.con):
        table = lake.events(engine).order_by(c.OCCURRED_AT, c.ITEM, c.ID).to_pyarrow()
    return [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]


def bytes_below(folder: Path) -> bytes:
    """Every byte of every file."""
    return b"".join(
        Path(place, name).read_bytes() for place, _, names in os.walk(folder) for name in names
    )
