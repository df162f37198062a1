"""What an import has accepted, on its way into the lake: Parquet files in a folder of their own.

They hold customer keys, never outside ids, so DuckDB may spill beside them.
"""

# ruff: noqa: S608 - every part is a constant of ours or a path that is quoted

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import columns as c
from features.column_sql import literal
from features.engine import open_duckdb
from features.event import Event, EventType
from features.mapping_sql import CONTENT, CONTENT_HASH, ID_TEXT
from features.profile import History, history_of
from features.source_file import BATCH_ROWS, Batch
from features.tables import EVENT_SCHEMA

CHUNK_ROWS = 250_000
"""Events of one merge, more or less: whole days."""
CUSTOMERS_AT_ONCE = 500
_MODULUS = 2**64
_TYPES = {str(one): one for one in EventType}
_SAYS = (
    c.CUSTOMER,
    c.TYPE,
    f"epoch_us({c.OCCURRED_AT})",
    c.ITEM,
    c.QUANTITY,
    c.VALUE,
    c.CURRENCY,
    c.BLOCK,
    c.SEND,
)


@dataclass(frozen=True)
class Summary:
    """What can be compared between source and lake, whatever the order.

    Attributes:
        rows: How many events.
        customers: How many distinct customers.
        checksum: Sum of `CONTENT_HASH` modulo 2⁶⁴, 16 hex digits.
    """

    rows: int
    customers: int
    checksum: str

    def __str__(self) -> str:
        """For a message."""
        return f"{self.rows} events of {self.customers} customers, checksum {self.checksum}"


class Staging:
    """The accepted rows of one import.

    Args:
        folder: Empty, and its own.
        source: The source's name, with which ids begin.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._raw = folder / "raw.parquet"
        self._events = folder / "events.parquet"
        self._source = source
        self._con = open_duckdb(spill=folder / "spill")
        self._writer: pq.ParquetWriter | None = None
        self._said = 0
        self._rows = 0
        self.summary = Summary(0, 0, f"{0:016x}")

    def close(self) -> None:
        """Let go of the folder."""
        if self._writer is not None:
            self._writer.close()
        self._con.close()

    def add(self, batch: Batch) -> None:
        """Keep the accepted rows of a batch, and add them to what the source says."""
        accepted = batch.accepted
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._raw, accepted.schema, compression="zstd")
        self._writer.write_batch(accepted)
        said: int | None = pc.sum(accepted.column(CONTENT)).as_py()
        self._said += said or 0
        self._rows += accepted.num_rows

    def settle(self) -> int:
        """Give every row its id and its day; call once, after all batches.

        Returns:
            How many rows were dropped because the file has their id twice.
        """
        if self._writer is None:
            return 0
        self._writer.close()
        self._writer = None
        self._con.execute(f"CREATE TEMP TABLE numbered AS {self._numbered()}")
        columns = ", ".join(name for name in c.EVENT)
        self._con.execute(
            f"COPY (SELECT {columns}, {CONTENT} FROM numbered WHERE NOT again "
            f"ORDER BY {c.DATE}, {c.CUSTOMER}, {c.OCCURRED_AT}, {c.ID}) "
            f"TO {literal(str(self._events))} (FORMAT parquet, COMPRESSION zstd)"
        )
        dropped = self._one(
            f"SELECT count(*) AS rows, {_summed(CONTENT)} AS said FROM numbered WHERE again"
        )
        left = self._one(f"SELECT count(DISTINCT {c.CUSTOMER}) AS n FROM numbered WHERE NOT again")
        self._con.execute("DROP TABLE numbered")
        checksum = (self._said - dropped["said"]) % _MODULUS
        self.summary = Summary(self._rows - dropped["rows"], left["n"], f"{checksum:016x}")
        return int(dropped["rows"])

    def events(self) -> pa.RecordBatchReader:
        """The staged events in the order of days, `EVENT_SCHEMA`."""
        return pa.RecordBatchReader.from_batches(EVENT_SCHEMA, self._batches())

    def chunks(self) -> Iterator[pa.Table]:
        """The staged events in the order of days, some `CHUNK_ROWS` at a time."""
        held: list[pa.RecordBatch] = []
        for batch in self._batches():
            held.append(batch)
            if sum(one.num_rows for one in held) >= CHUNK_ROWS:
                yield pa.Table.from_batches(held)
                held = []
        if held:
            yield pa.Table.from_batches(held)

    def differing(self, files: Sequence[str]) -> int:
        """How many staged ids the lake has already, with other content.

        Args:
            files: Of the lake's events.
        """
        found = self._one(
            f"SELECT count(*) AS n FROM (SELECT {c.ID}, {CONTENT_HASH} AS there "
            f"FROM {_lake(files)}) JOIN {self._staged()} USING ({c.ID}) WHERE there <> {CONTENT}"
        )
        return int(found["n"])

    def take_differing(self, files: Sequence[str]) -> pa.Table:
        """Take the events out that `differing` counts.

        Args:
            files: Of the lake's events.

        Returns:
            They, `EVENT_SCHEMA`.
        """
        found = (
            f"SELECT {c.ID} FROM (SELECT {c.ID}, {CONTENT_HASH} AS there FROM {_lake(files)}) "
            f"JOIN {self._staged()} USING ({c.ID}) WHERE there <> {CONTENT}"
        )
        self._con.execute(f"CREATE TEMP TABLE taken AS {found}")
        staged = f"read_parquet({literal(str(self._events))})"
        columns = ", ".join(name for name in c.EVENT)
        taken = self._con.sql(f"SELECT {columns} FROM {staged} SEMI JOIN taken USING ({c.ID})")
        table = taken.to_arrow_table().cast(EVENT_SCHEMA)
        kept = self._events.with_name("kept.parquet")
        self._con.execute(
            f"COPY (SELECT * FROM {staged} ANTI JOIN taken USING ({c.ID}) "
            f"ORDER BY {c.DATE}, {c.CUSTOMER}, {c.OCCURRED_AT}, {c.ID}) "
            f"TO {literal(str(kept))} (FORMAT parquet, COMPRESSION zstd)"
        )
        self._events = kept
        left = self._one(
            f"SELECT count(*) AS rows, count(DISTINCT {c.CUSTOMER}) AS customers, "
            f"{_summed(CONTENT)} AS said FROM read_parquet({literal(str(kept))})"
        )
        checksum = f"{left['said'] % _MODULUS:016x}"
        self.summary = Summary(left["rows"], left["customers"], checksum)
        return table

    def found_in(self, files: Sequence[str]) -> Summary:
        """What the lake says of the staged ids, read from its own files."""
        found = self._one(
            f"SELECT count(*) AS rows, count(DISTINCT {c.CUSTOMER}) AS customers, "
            f"{_summed(CONTENT_HASH)} AS said FROM {_lake(files)} "
            f"SEMI JOIN {self._staged()} USING ({c.ID})"
        )
        checksum = found["said"] % _MODULUS
        return Summary(found["rows"], found["customers"], f"{checksum:016x}")

    def histories(self) -> Iterator[tuple[dict[str, History], int]]:
        """Histories of some `CUSTOMERS_AT_ONCE` customers at a time, and of how many events."""
        held: dict[str, History] = {}
        events = 0
        if not self.summary.rows:
            return
        for customer, rows in groupby(self._by_customer(), key=itemgetter(0)):
            mine = [_event(row) for row in rows]
            held[customer] = history_of(mine)
            events += len(mine)
            if len(held) >= CUSTOMERS_AT_ONCE:
                yield held, events
                held, events = {}, 0
        if held:
            yield held, events

    def _numbered(self) -> str:
        said = ", ".join(f"coalesce(CAST({part} AS VARCHAR), chr(0))" for part in _SAYS)
        made = f"left(sha256(concat_ws(chr(31), {said})), 32)"
        key = f"coalesce({ID_TEXT}, concat({literal(self._source + ':')}, {made}))"
        suffix = "CASE WHEN nth > 1 THEN concat('-', nth) ELSE '' END"
        rest = ", ".join(name for name in c.EVENT if name not in (c.ID, c.DATE))
        return (
            f"SELECT CASE WHEN {ID_TEXT} IS NULL THEN concat(key, {suffix}) ELSE key END "
            f"AS {c.ID}, {rest}, strftime({c.OCCURRED_AT}, '%Y-%m-%d') AS {c.DATE}, {CONTENT}, "
            f"{ID_TEXT} IS NOT NULL AND nth > 1 AS again "
            f"FROM (SELECT *, row_number() OVER (PARTITION BY key ORDER BY {CONTENT}) AS nth "
            f"FROM (SELECT *, {key} AS key FROM read_parquet({literal(str(self._raw))})))"
        )

    def _staged(self) -> str:
        return f"(SELECT {c.ID}, {CONTENT} FROM read_parquet({literal(str(self._events))}))"

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self._events) as staged:
            for batch in staged.iter_batches(BATCH_ROWS, columns=list(c.EVENT)):
                yield batch.cast(EVENT_SCHEMA)

    def _by_customer(self) -> Iterator[tuple[str, str, str, int, str | None, float]]:
        columns = (c.CUSTOMER, c.ID, c.TYPE, "at", c.ITEM, c.QUANTITY)
        ordered = self._con.sql(
            f"SELECT {c.CUSTOMER}, {c.ID}, {c.TYPE}, epoch_us({c.OCCURRED_AT}) AS at, {c.ITEM}, "
            f"{c.QUANTITY} FROM read_parquet({literal(str(self._events))}) ORDER BY {c.CUSTOMER}"
        )
        for batch in ordered.to_arrow_reader(BATCH_ROWS):
            yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)

    def _one(self, sql: str) -> dict[str, int]:
        row: dict[str, int] = self._con.sql(sql).to_arrow_table().to_pylist()[0]
        return {name: int(value) for name, value in row.items()}


def _summed(value: str) -> str:
    # Cut to 64 bits: Arrow has no wider integers.
    return f"CAST(coalesce(sum(CAST({value} AS HUGEINT)), 0) % {_MODULUS} AS UBIGINT)"


def _lake(files: Sequence[str]) -> str:
    listed = ", ".join(literal(one) for one in files)
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false)"


def _event(row: tuple[str, str, str, int, str | None, float]) -> Event:
    customer, event_id, kind, micros, item, quantity = row
    return Event(
        id=event_id,
        type=_TYPES[kind],
        customer=customer,
        occurred_at=datetime.fromtimestamp(micros // 1_000_000, UTC),
        item=item,
        quantity=quantity,
    )
