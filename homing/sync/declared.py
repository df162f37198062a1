"""What a source that is pulled is: one TOML file, in the words of `docs/pulling.md`.

`[rest]` or `[sql]` says where it is, `[cursor]` what was fetched already, `[rows]` how its records
become flat rows. From there on the words are those of an import: `[event]`, `[items]`,
`[catalogue]`, `[currency]` and `[[contract]]` (`features.mapping`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from features import columns as c
from features.conditions import Rule
from features.mapping import EventMapping, FileMapping, ItemMapping, Join, check_mapping
from features.money import Exchange
from features.sources.generic_mapping import is_path, listed, route
from features.toml_tables import Scalar, Table, parse_table, read_text, refused
from homing.declaring import check_source_name, find_file

PAGE: Final = "docs/pulling.md"
CURSOR: Final = "{cursor}"
"""Stands in what is asked for where the cursor's last value belongs."""
BOUND: Final = ":cursor"
"""The same in a query of a database."""
SAID: Final = "row_said"
"""The column that bears a row's checksum from the source to the lake."""

_COLUMN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Auth(Table, frozen=True):
    """Who we are to a REST API. What is secret comes from the environment or mounted files.

    Attributes:
        type: The way; `docs/pulling.md` tells which secrets each needs.
        url: Where tokens are had, of the two ways of OAuth 2.0.
        scope: What is asked for there.
        name: The header or parameter of an API key.
        location: Where that is.
    """

    type: Literal["bearer", "api_key", "basic", "client_credentials", "refresh_token"]
    url: str = ""
    scope: str = ""
    name: str = "Authorization"
    location: Literal["header", "query"] = "header"


class Rest(Table, frozen=True):
    """A REST API. `{NAME}` in a text is the variable `HOMING_SYNC_<SOURCE>_NAME`, or `{TODAY}`.

    Attributes:
        url: Where it is.
        path: What is asked, below it.
        method: How.
        params: Of the query; `{cursor}` in them is where to go on.
        body: JSON that is posted; the same holds.
        headers: Besides those of `auth`.
        records: JSONPath of the list of records in an answer.
        format: Of an answer: one JSON value, or a record in each line.
        pages: How the next page is found: a paginator of dlt's REST client, in its words.
        auth: Who we are.
    """

    url: str
    path: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Scalar] = msgspec.field(default_factory=dict)
    body: dict[str, object] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    records: str = "$"
    format: Literal["json", "lines"] = "json"
    pages: dict[str, Scalar] = msgspec.field(default_factory=lambda: {"type": "single_page"})
    auth: Auth | None = None


class Sql(Table, frozen=True):
    """What is in a database; its URL is the variable `HOMING_SYNC_<SOURCE>_URL`.

    Attributes:
        table: Name of a table or a view. Exactly one of this and `query`.
        schema: Where it is, if not in the usual one.
        query: A SELECT; `{NAME}` in it is the variable `HOMING_SYNC_<SOURCE>_NAME`, or `{TODAY}`.
            Only what is not below the cursor is taken of it, in the cursor's order; `:cursor` in it
            is where to go on, for databases that then have less to read.
        chunk: Rows that are fetched at once.
    """

    table: str | None = None
    schema: str | None = None
    query: str | None = None
    chunk: int = 10_000


class Cursor(Table, frozen=True):
    """What tells new records from those that were fetched already.

    Attributes:
        field: Path of a value of the record that only grows.
        first: Where to begin; everything without it.
        ordered: Whether records come in its order: then what was fetched is kept page by page, and
            a fetch that is killed goes on where it was. A database always gives them so.
        pages: How many pages, or chunks, are kept at once.
        asked: How it is written where it is asked for; `day` makes 2026-01-31 of a moment.
    """

    field: str
    first: str | int | None = None
    ordered: bool = False
    pages: int = 20
    asked: Literal["as it is", "day"] = "as it is"


class Rows(Table, frozen=True):
    """How a record becomes rows. A path is names with dots between, as in a webhook's mapping.

    Attributes:
        columns: Name → path. It begins at the row; with `$.` before it, at the record.
        each: Path of the list that has an element for each row; a record is a row without it.
        customer: Paths of the customer's id; the first that is there becomes the column `customer`,
            as a key, before anything is written.
        email: Path of the e-mail address, which counts where there is no id.
        numbers: Columns that are numbers; all others are text.
    """

    columns: dict[str, str]
    each: str | None = None
    customer: str | tuple[str, ...] = ()
    email: str | None = None
    numbers: tuple[str, ...] = ()


class Declared(Table, frozen=True):
    """A whole file. Exactly one of `rest` and `sql`.

    Attributes:
        name: The source's; goes into `Event.source` and begins every id.
        rows: How its records become rows.
        rest: The API that has it.
        sql: The database that has it.
        cursor: What tells new records; all of them are fetched every time without it.
        event: How a row becomes an event.
        items: How rows become items.
        catalogue: What is looked up in the catalogue.
        currency: What every value is turned into.
        contract: What an event's row must be; one that is not becomes a dead letter under the
            rule's name.
    """

    name: str
    rows: Rows
    rest: Rest | None = None
    sql: Sql | None = None
    cursor: Cursor | None = None
    event: EventMapping | None = None
    items: ItemMapping | None = None
    catalogue: Join | None = None
    currency: Exchange | None = None
    contract: tuple[Rule, ...] = ()

    def mapping(self) -> FileMapping:
        """The mapping of its rows."""
        return FileMapping(
            name=self.name,
            event=self.event,
            items=self.items,
            catalogue=self.catalogue,
            currency=self.currency,
            contract=self.contract,
        )


def load_declared(path: Path) -> Declared:
    """The source that a TOML file describes.

    Raises:
        InvalidArgument: It can't be read, or describes none; names file, key, value and cure.
    """
    declared = parse_declared(read_text(path, "homing/sync/ready/hubspot.toml"), str(path))
    if declared.currency is not None:
        exchange = declared.currency.beside(path)
        declared = msgspec.structs.replace(declared, currency=exchange)
        declared.mapping().rates()
    return declared


def parse_declared(text: str, name: str) -> Declared:
    """The source that a TOML text describes.

    Args:
        text: The TOML.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It describes none; names file, key, value and cure.
    """
    declared = parse_table(text, name, Declared, PAGE)
    check_source_name(declared.name, name)
    if (declared.rest is None) == (declared.sql is None):
        raise refused(name, "", declared.name, "not one place", "give one of [rest], [sql]")
    check_mapping(declared.mapping(), name)
    if declared.sql is not None:
        _check_sql(declared.sql, declared.cursor, name)
    _check_rows(declared, name)
    _check_event(declared, name)
    _check_cursor(declared, name)
    return declared


def _check_rows(declared: Declared, name: str) -> None:
    rows = declared.rows
    for column in rows.columns:
        if _COLUMN.fullmatch(column) is None or column in {c.CUSTOMER, SAID}:
            cure = f"use a-z, 0-9 and single _, and neither {c.CUSTOMER} nor {SAID}"
            raise refused(name, "rows.columns", column, "not a usable name", cure)
    if unknown := set(rows.numbers) - set(rows.columns):
        cure = "name columns of [rows]"
        raise refused(name, "rows.numbers", sorted(unknown), "no such columns", cure)
    whose = (*listed(rows.customer), *listed(rows.email))
    field = () if declared.cursor is None else (declared.cursor.field,)
    for path in (*rows.columns.values(), *listed(rows.each), *whose, *field):
        if not is_path(path):
            cure = "write names with dots between, [0] for a place in a list, like lines[0].sku"
            raise refused(name, "rows", path, "not a path", cure)
    if kept := sorted(
        path for path in rows.columns.values() if any(_holds(rows, path, one) for one in whose)
    ):
        # What is in a column is written as it is; a customer's outside id must never be.
        cure = f"use the column {c.CUSTOMER}, which has the customer's key"
        raise refused(name, "rows.columns", kept, "would keep the customer's id", cure)


def _holds(rows: Rows, path: str, other: str) -> bool:
    """Whether what is at a path is, or has in it, what is at another, however they are written."""
    outer, inner = (_steps(rows, one) for one in (path, other))
    return len(outer) <= len(inner) and all(
        own == one or None in (own, one) for own, one in zip(outer, inner, strict=False)
    )


def _steps(rows: Rows, path: str) -> tuple[str | int | None, ...]:
    """The steps from the record on; None for any place in the list of rows."""
    way = route(path)
    each = () if rows.each is None or way.whole else (*route(rows.each).steps, None)
    return (*each, *way.steps)


def _check_event(declared: Declared, name: str) -> None:
    if declared.event is None:
        return
    if declared.event.customer != c.CUSTOMER:
        value, cure = declared.event.customer, f'write customer = "{c.CUSTOMER}"'
        raise refused(name, "event.customer", value, "not the column of keys", cure)
    if not (declared.rows.customer or declared.rows.email):
        cure = "give the path of the customer's id, or of the e-mail address"
        raise refused(name, "rows.customer", "", "missing", cure)
    if not declared.event.id:
        cure = "name the columns that make a row unique: what is fetched again must count once"
        raise refused(name, "event.id", "", "missing", cure)


def _check_sql(sql: Sql, cursor: Cursor | None, name: str) -> None:
    if (sql.table is None) == (sql.query is None):
        raise refused(name, "sql", sql.table, "not one thing", "give one of table, query")
    if sql.query is None:
        return
    if sql.schema is not None:
        cure = "name the schema in the query"
        raise refused(name, "sql.schema", sql.schema, "of a table alone", cure)
    if BOUND in sql.query and (cursor is None or cursor.first is None):
        raise refused(name, "cursor.first", None, f"{BOUND} is asked for", "say where to begin")


def _check_cursor(declared: Declared, name: str) -> None:
    chunk = 1 if declared.sql is None else declared.sql.chunk
    cursor = declared.cursor
    if chunk < 1 or (cursor is not None and cursor.pages < 1):
        raise refused(name, "sql.chunk, cursor.pages", chunk, "too small", "give 1 or more")
    rest = declared.rest
    asked = rest is not None and CURSOR in msgspec.json.encode(rest).decode()
    if asked and (cursor is None or cursor.first is None):
        cure = "say where to begin"
        raise refused(name, "cursor.first", None, f"{CURSOR} is asked for", cure)


def find_declared(name: str, folder: Path | None, ready: Path) -> Declared:
    """The source of that name: a file of the shop's own before one of ours.

    Raises:
        InvalidArgument: There is none, or its file can't be used.
    """
    places = [place for place in (folder, ready) if place is not None]
    return load_declared(find_file(name, places, "HOMING_SYNCS_FOLDER"))
