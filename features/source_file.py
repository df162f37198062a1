"""The file of an import: rows in, checked batches out, outside ids replaced in memory.

DuckDB reads it. Once its tables are named, DuckDB is shut off from every other file, and what runs
is one SELECT, so that a mapping made by somebody else can't read or write anything.
"""

# ruff: noqa: S608 - names and constants are quoted by mapping_sql

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from features import columns as c
from features.column_sql import literal, quoted
from features.engine import open_duckdb
from features.enriching_sql import ITEMS, PAID, PAID_IN, RATES
from features.errors import InvalidArgument
from features.identity import CustomerKeys
from features.item import Item, check_item
from features.key_column import KeyColumns
from features.lake import live_files
from features.mapping import FileMapping
from features.mapping_sql import ID_TEXT, REASON, Compiler
from features.toml_tables import refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

BATCH_ROWS = 100_000
READ_ROWS = 250_000
"""Of a file at once: a look at the customers of more rows takes hardly longer."""
UNUSABLE_CUSTOMER = "customer id not usable"


@dataclass(frozen=True)
class Exchanged:
    """Values of one currency that were turned into the shop's.

    Attributes:
        rows: How many.
        paid: Their sum, in that currency.
        value: Their sum, in the shop's.
    """

    rows: int = 0
    paid: float = 0.0
    value: float = 0.0

    def __add__(self, other: Exchanged) -> Exchanged:
        """Both together."""
        return Exchanged(self.rows + other.rows, self.paid + other.paid, self.value + other.value)


@dataclass(frozen=True)
class Batch:
    """Some rows of the source.

    Attributes:
        rows: How many were read.
        accepted: Those to be events, with customer keys; columns as `Compiler.events` names them.
        rejected: Reason → how many of the others.
        exchanged: Currency → what was turned from it into the shop's.
    """

    rows: int
    accepted: pa.RecordBatch
    rejected: Mapping[str, int]
    exchanged: Mapping[str, Exchanged]


class SourceFile:
    """One file with its mapping.

    Args:
        path: A CSV file, a Parquet file or the folder of a Delta table.
        mapping: What its columns mean.

    Raises:
        InvalidArgument: A file is missing or can't be read, or the mapping's query is wrong.
    """

    def __init__(self, path: Path, mapping: FileMapping) -> None:
        self._path = path
        self._mapping = mapping
        self._con = open_duckdb()
        with self._declared("source"):
            self._name_tables()
            if (rates := mapping.rates()) is not None:
                names = ("currency", "day", "rate")
                listed = zip(*rates.rows(), strict=True)
                self._con.register(
                    RATES, pa.table(dict(zip(names, map(list, listed), strict=True)))
                )
            self._confine()
            query = mapping.source.query
            if query is not None:
                self._select("source.query", query)
            inner = f"({query})" if query is not None else "file"
            self._con.execute(f"CREATE TEMP VIEW rows AS SELECT * FROM {inner}")
            described = self._con.sql("DESCRIBE rows").to_arrow_table().to_pylist()
            self._types = {row["column_name"]: row["column_type"] for row in described}
            counted = self._con.sql("SELECT count(*) AS n FROM rows").to_arrow_table()
            self.rows: int = counted.column("n")[0].as_py()

    def close(self) -> None:
        """Let go of the file."""
        self._con.close()

    def join(self, items: Iterable[Item]) -> None:
        """Look items up among these; once, before events are asked for, where the mapping does."""
        assert self._mapping.catalogue is not None, "the caller knows the mapping"  # noqa: S101 - narrows
        self._con.register(ITEMS, _words(items, self._mapping.catalogue.by))

    def events(self, keys: CustomerKeys, latest: str) -> Iterator[Batch]:
        """All rows as checked batches.

        Args:
            keys: Makes the customer keys.
            latest: The latest moment that an event may have, ISO 8601.

        Raises:
            InvalidArgument: The mapping does not fit the file, or a row can't be read.
        """
        columns = KeyColumns(keys)
        sql = self._compiler().events(latest)
        with self._declared("event"):
            for batch in self._select("event", sql).to_arrow_reader(READ_ROWS):
                yield _with_keys(batch, columns)

    def left_out(
        self, latest: str, *, but: Collection[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Rows that are to be no events, each with the reason and what it says.

        Args:
            latest: See `events`.
            but: Reasons of rows that are not asked for.

        Yields:
            The reason; and column of `columns.EVENT` → value, with the customer as the row has it.

        Raises:
            InvalidArgument: As `events`.
        """
        meant = ", ".join(literal(one) for one in but) or "NULL"
        sql = (
            f"SELECT * FROM ({self._compiler().events(latest)}) "
            f"WHERE {REASON} IS NOT NULL AND coalesce({REASON} NOT IN ({meant}), TRUE)"
        )
        with self._declared("event"):
            for batch in self._select("event", sql).to_arrow_reader(BATCH_ROWS):
                for row in batch.to_pylist():
                    row[c.ID] = row.pop(ID_TEXT)
                    yield row.pop(REASON), row

    def unreadable(self) -> int:
        """Lines of a CSV file that have too few or too many fields, once it was read."""
        if self._format() != "csv":
            return 0
        sql = (
            "SELECT count(DISTINCT line) AS n FROM reject_errors JOIN reject_scans "
            f"USING (scan_id, file_id) WHERE file_path = {literal(str(self._path))}"
        )
        found: int = self._con.sql(sql).to_arrow_table().column("n")[0].as_py()
        return found

    def items(self) -> tuple[list[Item], dict[str, int]]:
        """The catalogue that the file holds, in the order of ids; and reason → rejected items.

        Raises:
            InvalidArgument: The mapping does not fit the file.
        """
        with self._declared("items"):
            table = self._select("items", self._compiler().items()).to_arrow_table()
        items: dict[str, Item] = {}
        reasons: dict[object, str] = {}
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            for row in batch.to_pylist():
                item, reason = _item(row)
                if item is None:
                    reasons[row[c.ID]] = reason
                else:
                    items[item.id] = item
        # An item with one good row is a good item.
        rejected = Counter(reason for name, reason in reasons.items() if name not in items)
        return list(items.values()), dict(rejected.most_common())

    def _compiler(self) -> Compiler:
        return Compiler(self._mapping, self._mapping.name, self._types)

    def _format(self) -> str:
        given = self._mapping.source.format
        if given is not None:
            return given
        if self._path.is_dir():
            return "delta"
        return "parquet" if self._path.suffix in (".parquet", ".pq") else "csv"

    def _name_tables(self) -> None:
        allowed = self._scan("file", self._path, self._format())
        for name, relative in self._mapping.source.tables.items():
            path = self._path.parent / relative
            kind = "parquet" if path.suffix in (".parquet", ".pq") else "csv"
            allowed += self._scan(name, path, kind)
        listed = ", ".join(literal(path) for path in allowed)
        self._con.execute(f"SET allowed_paths = [{listed}]")

    def _scan(self, name: str, path: Path, kind: str) -> list[str]:
        """Make a view of a file; returns the paths that it reads."""
        if not path.exists():
            cure = "give the path of a CSV file, a Parquet file or a Delta table's folder"
            raise InvalidArgument.of(str(path), field=name, reason="no such file", cure=cure)
        if path.is_file() and not path.stat().st_size:
            cure = "export it again"
            raise InvalidArgument.of(str(path), field=name, reason="the file is empty", cure=cure)
        paths = _delta_files(path) if kind == "delta" else [str(path)]
        listed = "[" + ", ".join(literal(one) for one in paths) + "]"
        if kind == "csv":
            source = self._mapping.source
            delim = "" if source.delimiter is None else f", delim = {literal(source.delimiter)}"
            read = (
                f"read_csv({listed}, all_varchar = true, header = true, store_rejects = true, "
                f"encoding = {literal(source.encoding)}{delim})"
            )
        else:
            read = f"read_parquet({listed}, hive_partitioning = {kind == 'delta'})"
        self._con.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {read}")
        return paths

    def _confine(self) -> None:
        self._con.execute("SET enable_external_access = false")
        self._con.execute("SET lock_configuration = true")

    def _select(self, key: str, sql: str) -> DuckDBPyRelation:
        """Run a query, if it is one SELECT and nothing else."""
        statements = self._con.extract_statements(sql)
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            cure = "write one SELECT, or one expression where a value is asked for"
            raise refused(self._mapping.name, key, sql, "not a single query", cure)
        return self._con.sql(sql)

    @contextmanager
    def _declared(self, key: str) -> Iterator[None]:
        import duckdb  # noqa: PLC0415 - an extra, checked by open_duckdb

        try:
            yield
        except duckdb.Error as error:
            safe = isinstance(
                error,
                duckdb.BinderException
                | duckdb.ParserException
                | duckdb.CatalogException
                | duckdb.IOException
                | duckdb.PermissionException,
            )
            # Other messages repeat the rows' values, and those may name a person.
            kind = type(error).__name__.removesuffix("Exception")
            said = str(error).splitlines()[0] if safe else f"not readable ({kind})"
            cure = f"mend the mapping's [{key}] or the file, and import it again"
            value = str(self._path)
            raise refused(self._mapping.name, key, value, said, cure) from (error if safe else None)


def _delta_files(path: Path) -> list[str]:
    try:
        return list(live_files(DeltaTable(path), str(path)))
    except DeltaError as error:
        cure = "give the folder that has _delta_log in it"
        reason = "not a Delta table"
        raise InvalidArgument.of(str(path), field="file", reason=reason, cure=cure) from error


def _item(row: dict[str, Any]) -> tuple[Item | None, str]:
    """The item that a row says, or None and why not."""
    if row[REASON] is not None or row[c.ID] is None:
        return None, row[REASON] or "no id"
    fields = {name: row[name] for name in c.CATALOGUE if name in row}
    fields[c.TITLE] = row[c.TITLE] or ""
    fields[c.ATTRIBUTES] = {
        name: value
        for name, value in zip(row["attribute_names"], row["attribute_values"], strict=True)
        if value is not None
    }
    item = msgspec.convert(fields, Item)
    problem = check_item(item)
    return (item, "") if problem is None else (None, f"{problem.field}: {problem.reason}")


def _with_keys(batch: pa.RecordBatch, keys: KeyColumns) -> Batch:
    reasons = batch.column(REASON)
    rejected = Counter(dict(_counts(reasons)))
    kept = batch.filter(pc.is_null(reasons)) if rejected else batch
    made = keys.of(kept.column(c.CUSTOMER))
    kept = kept.set_column(kept.schema.get_field_index(c.CUSTOMER), c.CUSTOMER, made)
    if made.null_count:
        rejected[UNUSABLE_CUSTOMER] += made.null_count
        kept = kept.filter(pc.is_valid(made))
    turned = _exchanged(kept) if PAID in kept.schema.names else {}
    beside = [name for name in (REASON, PAID, PAID_IN) if name in kept.schema.names]
    return Batch(batch.num_rows, kept.drop_columns(beside), rejected, turned)


def _exchanged(kept: pa.RecordBatch) -> dict[str, Exchanged]:
    """Currency → what was turned from it into another."""
    turned = kept.filter(pc.not_equal(kept.column(PAID_IN), kept.column(c.CURRENCY)))
    sums = [(PAID, "count"), (PAID, "sum"), (c.VALUE, "sum")]
    rows = pa.Table.from_batches([turned]).group_by(PAID_IN).aggregate(sums).to_pylist()
    return {
        row[PAID_IN]: Exchanged(*(row[f"{name}_{kind}"] for name, kind in sums)) for row in rows
    }


def _words(items: Iterable[Item], by: str) -> pa.Table:
    """Items by what a source calls them; what several are called is the name of none."""
    found: dict[str, Item | None] = {}
    for item in items:
        word = item.id if by == c.ID else item.attributes.get(by, "").strip()
        if word:
            found[word] = None if word in found else item
    text = pa.string()
    kinds = {"word": text, c.ID: text, c.PRICE: pa.float64(), c.CURRENCY: text}
    rows = [
        {"word": word, c.ID: item.id, c.PRICE: item.price, c.CURRENCY: item.currency}
        for word, item in found.items()
        if item is not None
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


def _counts(reasons: pa.Array) -> Iterator[tuple[str, int]]:
    for pair in pc.value_counts(reasons).to_pylist():
        if pair["values"] is not None:
            yield pair["values"], pair["counts"]
