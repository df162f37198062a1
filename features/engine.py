"""The feature engine: DuckDB through Ibis, in process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from features.errors import LakeUnavailable, MissingExtra

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


@contextmanager
def declared(place: str) -> Iterator[None]:
    """Turn what DuckDB says of unreadable files into the declared error.

    Args:
        place: What was read, for the message.

    Raises:
        LakeUnavailable: DuckDB could not read or compute.
    """
    import duckdb  # noqa: PLC0415 - an extra, and whoever has a Backend has it

    try:
        yield
    except duckdb.Error as error:
        message = f"{place} can't be read: {error}; restore its files, or read another version"
        raise LakeUnavailable(message) from error
