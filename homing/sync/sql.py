"""Tables of any database that SQLAlchemy speaks to, by dlt's own kind for them."""

from __future__ import annotations

from typing import Any

import dlt
from dlt.extract import DltResource
from dlt.sources.sql_database import sql_table
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from features.errors import SettingsError
from homing.sync.declared import Cursor, Sql


def open_database(url: str) -> Engine:
    """The database at a URL.

    Raises:
        SettingsError: It is no such URL, or its driver is not installed.
    """
    try:
        return create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The URL has the password in it.
        message = (
            f"the database's URL can't be used ({type(error).__name__}): write one like "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME, and install its driver"
        )
        raise SettingsError(message) from None


def sql_resource(name: str, sql: Sql, cursor: Cursor | None, engine: Engine) -> DltResource:
    """The rows of a table, in the order of the cursor.

    Args:
        name: The source's.
        sql: Which table.
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
    made = sql_table(
        credentials=engine,
        table=sql.table,
        schema=sql.schema,
        incremental=incremental,
        chunk_size=sql.chunk,
        backend="sqlalchemy",
        reflection_level="minimal",
        defer_table_reflect=True,
    )
    return made.with_name(name)
