"""The feature engine: DuckDB, in process, alone or through Ibis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import LakeUnavailable, MissingExtra

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from ibis.backends.duckdb import Backend

MEMORY = "1GB"
"""What an engine may use before it spills to disk."""
THREADS = 2


def open_duckdb(*, memory: str = MEMORY, spill: Path | None = None) -> DuckDBPyConnection:
    """A DuckDB of its own, in memory, in UTC, that downloads nothing.

    Args:
        memory: What it may use, like `1GB`.
        spill: Folder for what does not fit; without one it fails instead of writing to disk.

    Raises:
        MissingExtra: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        what = "reading files and computing features"
        raise MissingExtra(what, "train") from error
    con = duckdb.connect(
        config={
            "memory_limit": memory,
            "threads": str(THREADS),
            "temp_directory": "" if spill is None else str(spill),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    con.execute("SET TimeZone = 'UTC'")
    return con


def open_engine(*, memory: str = MEMORY, spill: Path | None = None) -> Backend:
    """Ibis over `open_duckdb`, with the same arguments.

    Raises:
        MissingExtra: Ibis or DuckDB is not installed.
    """
    con = open_duckdb(memory=memory, spill=spill)
    try:
        import ibis  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        what = "computing features"
        raise MissingExtra(what, "train") from error
    return ibis.duckdb.from_connection(con)


@contextmanager
def declared(place: str) -> Iterator[None]:
    """Turn what DuckDB says of files that it can't read or write into the declared error.

    Args:
        place: What was read or written, for the message.

    Raises:
        LakeUnavailable: DuckDB could not read, compute or write.
    """
    import duckdb  # noqa: PLC0415 - an extra, and whoever has a connection has it

    try:
        yield
    except duckdb.Error as error:
        said = str(error).partition("\n")[0]
        full = "no space" in said.lower()
        cure = "free space on its disk" if full else "restore its files, or read another version"
        message = f"{place} can't be used: {said}; {cure}"
        raise LakeUnavailable(message) from error
