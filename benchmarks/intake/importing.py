"""Rows of a Parquet file: imported, and the same rows written by deltalake alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import WriterProperties, write_deltalake

from benchmarks.figures import seconds
from benchmarks.intake.made import CUSTOMERS, ITEMS, SECRET, TYPES
from benchmarks.stages import Stage
from features import columns as c
from features.clock import SystemClock
from features.lake import Lake
from features.settings import Settings
from features.tables import EVENT_SCHEMA
from homing.importing import import_history

ROWS_AT_ONCE: Final = 500_000
DAYS: Final = 365
FILE: Final = "history.parquet"
MAPPING: Final = "history.toml"
BARE: Final = "bare"
_MAPPING: Final = """
name = "made"

[event]
customer = "customer"
item = "item"
type = { column = "type" }
time = { column = "time", zone = "UTC" }
value = "value"
currency = { constant = "GBP" }
id = ["number"]
"""


def make_rows(home: str, rows: str) -> Stage:
    """A year of a shop, in the order of time, as its own system would export it."""
    folder, total = Path(home), int(rows)
    (folder / MAPPING).write_text(_MAPPING)
    random = np.random.default_rng(total)
    # The newest a day ago: nothing in the future, whatever the zone.
    end = np.datetime64((SystemClock().now() - timedelta(days=1)).replace(tzinfo=None), "us")
    step = np.timedelta64(DAYS * 24 * 3_600 * 1_000_000 // total, "us")

    def write() -> None:
        writer: pq.ParquetWriter | None = None
        for first in range(0, total, ROWS_AT_ONCE):
            numbers = np.arange(first, min(first + ROWS_AT_ONCE, total))
            table = _rows(random, numbers, end - step * (total - numbers))
            writer = writer or pq.ParquetWriter(folder / FILE, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()

    return Stage(seconds(write))


def import_rows(home: str, rows: str) -> Stage:
    """`homing import`: into an empty lake and empty profiles."""
    folder = Path(home)
    settings = Settings(home=folder, secret=SECRET)

    def work() -> None:
        report = import_history(
            settings, folder / FILE, folder / MAPPING, lambda _: nullcontext(lambda _a, _b: None)
        )
        assert report.inserted == int(rows), report

    return Stage(seconds(work))


def write_rows(home: str, place: str) -> Stage:
    """Have deltalake alone write the rows that the lake has, as the lake keeps them.

    Args:
        home: Whose lake was imported into.
        place: Of the table, in the home; written once.
    """
    lake = Lake(Settings(home=Path(home), secret=SECRET).resolved_lake_path())
    # The files are looked up first: the lake can't be asked in the middle of writing.
    reader = pa.RecordBatchReader.from_batches(EVENT_SCHEMA, _batches(lake.files()))
    properties = WriterProperties(compression="ZSTD", compression_level=1)

    def work() -> None:
        write_deltalake(
            f"{home}/{place}", reader, partition_by=[c.DATE], writer_properties=properties
        )

    return Stage(seconds(work))


def _batches(files: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for file in files:
        day = Path(file).parent.name.partition("=")[2]
        table = pq.read_table(file, partitioning=None)
        table = table.append_column(c.DATE, pa.array([day] * table.num_rows, pa.string()))
        yield from table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA).to_batches()


def _rows(random: np.random.Generator, numbers: Any, moments: Any) -> pa.Table:  # noqa: ANN401 - arrays
    count = len(numbers)
    customers = random.integers(0, CUSTOMERS, count)
    items = random.integers(0, ITEMS, count)
    return pa.table(
        {
            "number": pa.array(numbers),
            "customer": pa.array([f"customer-{one}" for one in customers.tolist()]),
            "item": pa.array([f"item-{one}" for one in items.tolist()]),
            "type": pa.array([TYPES[one] for one in (items % len(TYPES)).tolist()]),
            "time": pa.array(moments, pa.timestamp("us")),
            "value": pa.array(random.integers(1, 10_000, count) / 100),
        }
    )
