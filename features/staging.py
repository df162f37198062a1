"""What an import has accepted, on its way into the lake: Parquet files in a folder of their own.

They hold customer keys, never outside ids, so DuckDB may spill beside them.
"""

# ruff: noqa: S608 - every part is a constant of ours or a path that is quoted

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import columns as c
from features.column_sql import literal
from features.engine import open_duckdb
from features.histories import COLUMNS, SECONDS, histories_of
from features.mapping_sql import CONTENT, CONTENT_HASH, ID_TEXT, UNSAID
from features.profile import History
from features.source_file import BATCH_ROWS, Batch
from features.tables import EVENT_SCHEMA

CHUNK_ROWS = 250_000
"""Events of one merge, more or less."""
CUSTOMERS_AT_ONCE = 1_000
_MODULUS = 2**64
_SELDOM = (ID_TEXT, CONTENT, c.CUSTOMER, c.OCCURRED_AT)
"""Columns that are not worth a dictionary."""
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
        self._unsaid = {c.SOURCE: source, **UNSAID}
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
        accepted = batch.accepted.drop_columns(list(self._unsaid))
        if self._writer is None:
            names = accepted.schema.names
            self._writer = pq.ParquetWriter(
                self._raw,
                accepted.schema,
                compression="lz4",
                use_dictionary=[name for name in names if name not in _SELDOM],
            )
        self._writer.write_batch(accepted)
        said: int | None = pc.sum(accepted.column(CONTENT)).as_py()
        self._said += said or 0
        self._rows += accepted.num_rows

    def settle(self) -> int:
        """Give every row its id; call once, after all batches.

        Returns:
            How many rows were dropped because the file has their id twice.
        """
        if self._writer is None:
            return 0
        self._writer.close()
        self._writer = None
        dropped = {"rows": 0, "said": 0}
        if self._has_ids():
            rest = ", ".join(name for name in self._stored() if name != c.ID)
            self._stage(f"SELECT {ID_TEXT} AS {c.ID}, {rest} FROM {_parquet(self._raw)}")
        else:
            self._copy(self._numbered(), self._events)
            dropped = self._one(
                f"SELECT count(*) AS rows, {_summed(CONTENT)} AS said "
                f"FROM {_parquet(self._events)} WHERE again"
            )
            self._stage(f"SELECT * EXCLUDE (again) FROM {_parquet(self._events)} WHERE NOT again")
        left = self._one(f"SELECT count(DISTINCT {c.CUSTOMER}) AS n FROM staged")
        checksum = (self._said - dropped["said"]) % _MODULUS
        self.summary = Summary(self._rows - dropped["rows"], left["n"], f"{checksum:016x}")
        return int(dropped["rows"])

    def events(self) -> pa.RecordBatchReader:
        """The staged events in the order of time, `EVENT_SCHEMA`."""
        return pa.RecordBatchReader.from_batches(EVENT_SCHEMA, self._batches())

    def chunks(self) -> Iterator[pa.Table]:
        """The staged events in the order of time, some `CHUNK_ROWS` at a time."""
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
        found = self._one(f"SELECT count(*) AS n FROM ({_changed(files)})")
        return int(found["n"])

    def take_differing(self, files: Sequence[str]) -> pa.Table:
        """Take the events out that `differing` counts.

        Args:
            files: Of the lake's events.

        Returns:
            They, `EVENT_SCHEMA`.
        """
        self._con.execute(f"CREATE TEMP TABLE taken AS {_changed(files)}")
        batches = self._batches(f"SELECT * FROM staged SEMI JOIN taken USING ({c.ID})")
        table = pa.Table.from_batches(batches, EVENT_SCHEMA)
        kept = self._events.with_name("kept.parquet")
        self._copy(f"SELECT * FROM staged ANTI JOIN taken USING ({c.ID})", kept)
        self._stage(f"SELECT * FROM {_parquet(kept)}")
        left = self._one(
            f"SELECT count(*) AS rows, count(DISTINCT {c.CUSTOMER}) AS customers, "
            f"{_summed(CONTENT)} AS said FROM staged"
        )
        checksum = f"{left['said'] % _MODULUS:016x}"
        self.summary = Summary(left["rows"], left["customers"], checksum)
        return table

    def found_in(self, files: Sequence[str], *, alone: bool) -> Summary:
        """What the lake says of the staged ids, read from its own files.

        Args:
            files: Of the lake's events.
            alone: There is to be nothing else in them.
        """
        among = "" if alone else f"SEMI JOIN staged USING ({c.ID})"
        found = self._one(
            f"SELECT count(*) AS rows, count(DISTINCT {c.CUSTOMER}) AS customers, "
            f"{_summed(CONTENT_HASH)} AS said FROM {_lake(files)} {among}"
        )
        checksum = found["said"] % _MODULUS
        return Summary(found["rows"], found["customers"], f"{checksum:016x}")

    def histories(self) -> Iterator[tuple[dict[str, History], int]]:
        """Histories of some `CUSTOMERS_AT_ONCE` customers at a time, and of how many events."""
        if not self.summary.rows:
            return
        seconds = f"epoch_us({c.OCCURRED_AT}) // 1000000 AS {SECONDS}"
        columns = ", ".join(seconds if name == SECONDS else name for name in COLUMNS)
        ordered = self._con.sql(f"SELECT {columns} FROM staged ORDER BY {c.CUSTOMER}, {SECONDS}")
        yield from histories_of(ordered.to_arrow_reader(BATCH_ROWS), CUSTOMERS_AT_ONCE)

    def _has_ids(self) -> bool:
        """Whether each row has an id that no other has."""
        found = self._con.sql(
            f"SELECT hash({ID_TEXT}) AS hashed FROM {_parquet(self._raw)} "
            f"WHERE {ID_TEXT} IS NOT NULL"
        )
        hashes = found.to_arrow_table().column(0).to_numpy()
        # Two ids that share a hash are told apart below, which takes longer, and that is all.
        return len(hashes) == self._rows and bool(np.diff(np.sort(hashes)).all())

    def _stored(self) -> list[str]:
        """Columns of `staged`."""
        return [*(one for one in c.EVENT if one not in (*self._unsaid, c.DATE)), CONTENT]

    def _stage(self, sql: str) -> None:
        self._con.execute(f"CREATE OR REPLACE TEMP VIEW staged AS {sql}")

    def _copy(self, sql: str, file: Path) -> None:
        self._con.execute(
            f"COPY ({sql}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION lz4_raw)"
        )

    def _numbered(self) -> str:
        said = ", ".join(f"coalesce(CAST({part} AS VARCHAR), chr(0))" for part in _SAYS)
        made = f"left(sha256(concat_ws(chr(31), {said})), 32)"
        key = f"coalesce({ID_TEXT}, concat({literal(self._source + ':')}, {made}))"
        suffix = "CASE WHEN nth > 1 THEN concat('-', nth) ELSE '' END"
        rest = ", ".join(name for name in self._stored() if name != c.ID)
        return (
            f"SELECT CASE WHEN {ID_TEXT} IS NULL THEN concat(key, {suffix}) ELSE key END "
            f"AS {c.ID}, {rest}, {ID_TEXT} IS NOT NULL AND nth > 1 AS again "
            f"FROM (SELECT *, row_number() OVER (PARTITION BY key ORDER BY {CONTENT}) AS nth "
            f"FROM (SELECT *, {key} AS key FROM {_parquet(self._raw)}))"
        )

    def _batches(self, sql: str = "SELECT * FROM staged") -> Iterator[pa.RecordBatch]:
        """In the order of time, which is that of days.

        They are put in order at once, not when the first is asked for: that may be in the lake's
        turn, for which live events wait.
        """
        order = f"{c.OCCURRED_AT}, {c.ID}"
        ordered = self._con.sql(f"SELECT * EXCLUDE ({CONTENT}) FROM ({sql}) ORDER BY {order}")
        return map(self._whole, ordered.to_arrow_reader(BATCH_ROWS))

    def _whole(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """With the columns that are not staged: `EVENT_SCHEMA`."""
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays[c.DATE] = batch.column(c.OCCURRED_AT).cast(pa.date32()).cast(pa.string())
        for name, value in self._unsaid.items():
            kind = EVENT_SCHEMA.field(name).type
            arrays[name] = pa.repeat(pa.scalar(value, kind), batch.num_rows)
        columns = [arrays[name].cast(EVENT_SCHEMA.field(name).type) for name in c.EVENT]
        return pa.record_batch(columns, EVENT_SCHEMA)

    def _one(self, sql: str) -> dict[str, int]:
        row: dict[str, int] = self._con.sql(sql).to_arrow_table().to_pylist()[0]
        return {name: int(value) for name, value in row.items()}


def _summed(value: str) -> str:
    # Cut to 64 bits: Arrow has no wider integers.
    return f"CAST(coalesce(sum(CAST({value} AS HUGEINT)), 0) % {_MODULUS} AS UBIGINT)"


def _changed(files: Sequence[str]) -> str:
    """The staged ids that the lake has with other content."""
    return (
        f"SELECT {c.ID} FROM (SELECT {c.ID}, {CONTENT_HASH} AS there FROM {_lake(files)}) "
        f"JOIN staged USING ({c.ID}) WHERE there <> {CONTENT}"
    )


def _parquet(file: Path) -> str:
    return f"read_parquet({literal(str(file))})"


def _lake(files: Sequence[str]) -> str:
    listed = ", ".join(literal(one) for one in files)
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false)"
