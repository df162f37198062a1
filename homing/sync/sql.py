"""What a database holds that SQLAlchemy speaks to: tables, by dlt's own kind for them, and queries.

A query is what BigQuery's dated tables need (`FROM events_*`), and all that is joined or computed
at the source. It stands inside one of ours, which leaves out what was fetched already and gives the
rest in the order of the cursor: so it can be written without knowing how a sync goes on, and what a
package leaves is found by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.extract import DltResource
from dlt.sources.sql_database import sql_table
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from features.errors import SettingsError
from homing.sync.declared import BOUND, Cursor, Sql


def open_database(url: str) -> Engine:
    """The database at a URL.

    Raises:
        SettingsError: It is no such URL, or its driver is not installed; or a driver that looks for
            its credentials when it is opened, as BigQuery's does, finds none.
    """
    try:
        made = make_url(url)
        rest = {"prefer_bqstorage_client": False}  # its other way needs one more library, and gRPC
        return create_engine(made, connect_args=rest if made.drivername == "bigquery" else {})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The URL has the password in it.
        message = (
            f"the database's URL can't be used ({type(error).__name__}): write one like "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME, and install its driver"
        )
        raise SettingsError(message) from None
    except _troubles() as error:
        message = (
            f"the database can't be opened ({type(error).__name__}): see to the credentials that "
            "its URL names, or to those of this machine"
        )
        raise SettingsError(message) from None


def sql_resource(name: str, sql: Sql, cursor: Cursor | None, engine: Engine) -> DltResource:
    """The rows of a table or a query, in the order of the cursor.

    Args:
        name: The source's.
        sql: Which, with variables filled in.
        cursor: What tells new rows.
        engine: Of the database.
    """
    incremental: Any = None
    if cursor is not None:
        incremental = dlt.sources.incremental(
            cursor.field,
            initial_value=cursor.first,
            row_order="asc",
            on_cursor_value_missing="include",
        )
    if sql.query is not None:
        return _queried(sql.query, sql.chunk, engine, incremental).with_name(name)
    made = sql_table(
        credentials=engine,
        table=sql.table or "",
        schema=sql.schema,
        incremental=incremental,
        chunk_size=sql.chunk,
        backend="sqlalchemy",
        reflection_level="minimal",
        defer_table_reflect=True,
    )
    return made.with_name(name)


def _queried(query: str, chunk: int, engine: Engine, incremental: Any) -> DltResource:  # noqa: ANN401 - dlt's own
    """The rows of a query, of which those that have no cursor always come too."""

    def rows(new: Any = incremental) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401 - dlt's own
        asked, bound = query, {}
        if new is not None:
            field = engine.dialect.identifier_preparer.quote(new.cursor_path)
            begins = ""
            if new.last_value is not None:
                bound = {BOUND[1:]: new.last_value}
                begins = f" WHERE {field} >= {BOUND} OR {field} IS NULL"
            asked = f"SELECT * FROM (\n{query}\n) AS asked{begins} ORDER BY {field}"  # noqa: S608 - the file's own
        # A package ends in the middle of an answer: what the database keeps of it must go then.
        with (
            engine.connect() as connection,
            connection.execution_options(yield_per=chunk).execute(text(asked), bound) as found,
        ):
            for some in found.mappings().partitions(chunk):
                yield [dict(one) for one in some]

    resource: DltResource = dlt.resource(rows, name="query")
    return resource


def _troubles() -> tuple[type[Exception], ...]:
    """What is raised for credentials that can't be used, by Google's libraries where they are."""
    try:
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return OSError, ValueError
    return OSError, ValueError, GoogleAuthError
