"""The feature engine: DuckDB through Ibis, in process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.errors import MissingExtra

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


def open_engine(*, memory: str = "1GB", threads: int = 2) -> Backend:
    """A DuckDB of its own, in memory, in UTC, that downloads nothing.

    Args:
        memory: What it may use before it spills to disk, like `1GB`.
        threads: How many it works with.

    Raises:
        MissingExtra: Ibis or DuckDB is not installed.
    """
    try:
        import ibis  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        what = "computing features"
        raise MissingExtra(what, "train") from error
    con = ibis.duckdb.connect(
        memory_limit=memory,
        threads=threads,
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
    )
    con.raw_sql("SET TimeZone = 'UTC'")
    return con
