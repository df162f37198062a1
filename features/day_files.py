"""A table of events made of files that are written one day after the other.

Delta's own writer keeps the files of all days open until the last row, and some hundred kB for
each. Rows that come in the order of days need one file open at a time, and the table's first
commit then names them all: a transaction of `add` actions, see
<https://github.com/delta-io/delta/blob/master/PROTOCOL.md#add-file-and-remove-file>.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import Schema
from deltalake.transaction import AddAction, create_table_with_add_actions

from features import columns as c
from features.tables import EVENT_SCHEMA

MOST_ROWS: Final = 1_000_000
"""Of a file, more or less: some 40 MB."""
_WRITTEN: Final = pa.schema([field for field in EVENT_SCHEMA if field.name != c.DATE])
_SELDOM: Final = (c.ID, c.CUSTOMER, c.OCCURRED_AT)
_REPEATED: Final = [name for name in _WRITTEN.names if name not in _SELDOM]
"""Columns that are worth a dictionary, which those are not that hardly repeat within a day."""


def create_by_day(path: str, events: Iterable[pa.RecordBatch]) -> None:
    """Make the table; all of it or nothing.

    Args:
        path: Where; there is no table yet.
        events: `EVENT_SCHEMA`, best in the order of `date`: each new day begins a file.

    Raises:
        DeltaError: Another writer made the table first.
        OSError: The disk refuses.
    """
    files: list[Path] = []
    added: list[AddAction] = []
    try:
        for day, rows in groupby(_days(events), key=itemgetter(0)):
            added += _written(Path(path), day, (some for _, some in rows), files)
        schema = Schema.from_arrow(EVENT_SCHEMA)
        create_table_with_add_actions(path, schema, added, mode="error", partition_by=[c.DATE])
    except BaseException:
        # Whoever is interrupted may be told so after the commit.
        for file in () if _is_committed(path, files) else files:
            with suppress(OSError):
                file.unlink()
        raise


def _is_committed(path: str, files: list[Path]) -> bool:
    """Whether the table's first commit names these files: all of them or none."""
    entry = Path(path, "_delta_log", f"{0:020d}.json")
    return bool(files) and entry.exists() and files[0].name in entry.read_text()


def _days(events: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
    for batch in events:
        runs = pc.run_end_encode(batch.column(c.DATE))
        rows = batch.select(_WRITTEN.names)
        cuts = pairwise([0, *runs.run_ends.to_pylist()])
        for day, (start, end) in zip(runs.values.to_pylist(), cuts, strict=True):
            yield day, rows.slice(start, end - start)


def _written(
    table: Path, day: str, rows: Iterator[pa.RecordBatch], files: list[Path]
) -> Iterator[AddAction]:
    """The files of one day, each told of once it is whole; `files` gets it before."""
    for first in rows:
        name = f"{c.DATE}={day}/part-00000-{uuid4()}-c000.zstd.parquet"
        file = table / name
        file.parent.mkdir(parents=True, exist_ok=True)
        files.append(file)
        count = 0
        with pq.ParquetWriter(
            file, _WRITTEN, compression="zstd", compression_level=1, use_dictionary=_REPEATED
        ) as writer:
            batch: pa.RecordBatch | None = first
            while batch is not None:
                writer.write_batch(batch)
                count += batch.num_rows
                batch = next(rows, None) if count < MOST_ROWS else None
        found = file.stat()
        stats = msgspec.json.encode({"numRecords": count}).decode()
        changed = found.st_mtime_ns // 1_000_000
        yield AddAction(name, found.st_size, {c.DATE: day}, changed, data_change=True, stats=stats)
