"""The lake: history in Delta tables that any engine can read.

Two tables lie below one root: `events`, partitioned by UTC day, and `items`. Every change is one
commit (Armbrust et al., "Delta Lake", VLDB 2020): readers see all of it or nothing of it, and may
go on reading the version that they began with. What a write has returned from outlives a power cut.

Events are only ever inserted. An event whose id is there already changes nothing, however often
and by whomever it is sent. Ids are compared within the days of the batch and `SAME_ID_DAYS` around
them: this covers what senders do (repeat after a timeout, repeat with a new clock reading, get the
time zone wrong) at a cost that doesn't grow with history. An id that comes back with a time
further off than that is a new event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from features import columns as c
from features.day_files import create_by_day
from features.errors import InvalidArgument, LakeMissing, LakeUnavailable, SettingsError
from features.known_ids import KnownIds
from features.settling import Settling
from features.tables import EVENT_SCHEMA, ITEM_SCHEMA, first_of_each

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

EVENTS = "events"
ITEMS = "items"
SAME_ID_DAYS = 7
"""How many days around an event's own day are searched for its id."""
ATTEMPTS = 10
"""How often a commit is tried when other writers come first."""
TARGET_FILE_BYTES = 64 * 1024 * 1024
RETENTION = timedelta(days=7)
"""How long vacuum keeps what old versions and running readers need."""

_DECLARED = (DeltaError, OSError, pa.ArrowException)
WRITER = WriterProperties(compression="ZSTD", compression_level=1)


@dataclass(frozen=True)
class MergeReport:
    """What a write did.

    Attributes:
        rows: How many were given.
        inserted: How many of them were new.
        version: The table's version after it.
    """

    rows: int
    inserted: int
    version: int


@dataclass(frozen=True)
class MaintenanceReport:
    """What maintenance did.

    Attributes:
        files_before: Live files before compaction, of both tables.
        files_after: Live files after it.
        deleted: Files that vacuum removed.
    """

    files_before: int
    files_after: int
    deleted: int


class Lake:
    """History in Delta tables below one folder. Any number of processes may read and write.

    Args:
        root: The folder; the first write makes it.

    Raises:
        SettingsError: It is an address and no folder.

    Every method raises `LakeUnavailable` when the lake can't be read or written, and reading a
    table that was never written raises `LakeMissing`.
    """

    def __init__(self, root: str) -> None:
        if "://" in root:
            scheme = root.partition("://")[0]
            message = (
                f"HOMING_LAKE_PATH is an address ({scheme}://…) and has to be a folder: "
                "mount what is there, and give the path of the mount"
            )
            raise SettingsError(message)
        self.root = root.rstrip("/")
        self._ids = KnownIds()
        self._settling = {table: Settling(self.path(table)) for table in (EVENTS, ITEMS)}

    def path(self, table: str) -> str:
        """Where a table lies."""
        return f"{self.root}/{table}"

    def exists(self, table: str = EVENTS) -> bool:
        """Whether anything was ever written to the table."""
        with declared(self.path(table)):
            return DeltaTable.is_deltatable(self.path(table))

    def version(self, table: str = EVENTS) -> int:
        """The table's newest version."""
        return self._open(table).version()

    def files(self, table: str = EVENTS, version: int | datetime | None = None) -> list[str]:
        """The Parquet files that make up the table.

        Args:
            table: `EVENTS` or `ITEMS`.
            version: A version, a moment (the version that was newest then), or None for now.

        Raises:
            InvalidArgument: There is no such version.
        """
        opened = self._open(table, version)
        with declared(self.path(table)):
            return list(live_files(opened, self.path(table)))

    def events(
        self, con: Backend, version: int | None = None, as_of: datetime | None = None
    ) -> ibis.Table:
        """The events, columns `columns.EVENT`.

        Args:
            con: From `features.engine.open_engine`.
            version: Of the table; the newest without one.
            as_of: A moment of the lake's own history (when it was written, not `occurred_at`).
        """
        files = self.files(EVENTS, version if version is not None else as_of)
        return _scan(con, files, EVENT_SCHEMA)

    def items(
        self, con: Backend, version: int | None = None, as_of: datetime | None = None
    ) -> ibis.Table:
        """The items, columns `columns.CATALOGUE`; no rows when none was ever stored."""
        known = self.exists(ITEMS)
        files = self.files(ITEMS, version if version is not None else as_of) if known else []
        return _scan(con, files, ITEM_SCHEMA)

    def create_events(self, events: pa.RecordBatchReader, rows: int) -> MergeReport | None:
        """The table's first commit, streamed; all of it or nothing.

        Args:
            events: `EVENT_SCHEMA`, each id once, best in the order of `date`.
            rows: How many they are.

        Returns:
            What it did; None when the table exists, even if only since just now: merge then.
        """
        with self._turn(EVENTS):
            create = partial(create_by_day, self.path(EVENTS), events)
            created = not self.exists() and self._created(EVENTS, create)
        return MergeReport(rows, rows, self.version()) if created else None

    def merge_events(self, events: pa.Table) -> MergeReport:
        """Insert the events whose id is not there yet; one commit, or none when nothing is new.

        Args:
            events: `EVENT_SCHEMA`. Of several with one id the first counts.
        """
        rows = events.num_rows
        fresh = first_of_each(events)

        def attempt() -> int:
            if not self.exists() and self._created(EVENTS, self._writing(EVENTS, fresh)):
                return int(fresh.num_rows)
            return self._insert(fresh) if rows else 0

        inserted = self._retried(EVENTS, attempt)
        return MergeReport(rows, inserted, self.version())

    def merge_items(self, items: pa.Table) -> MergeReport:
        """Add or replace items by id; one commit.

        Args:
            items: `ITEM_SCHEMA`. Of several with one id the last counts.
        """
        rows = items.num_rows
        latest = first_of_each(items.take(pa.array(range(rows - 1, -1, -1), pa.int64())))

        def attempt() -> int:
            if not self.exists(ITEMS) and self._created(ITEMS, self._writing(ITEMS, latest)):
                return int(latest.num_rows)
            return self._upsert(latest) if rows else 0

        inserted = self._retried(ITEMS, attempt)
        return MergeReport(rows, inserted, self.version(ITEMS))

    def compact(self) -> None:
        """Join small files, without a change of content; safe beside writers and readers."""
        for table in self._existing():
            self._retried(table, partial(self._compact, table))

    def vacuum(self, retention: timedelta = RETENTION) -> int:
        """Delete files that no version younger than `retention` needs, and what dead writers left.

        Reading or rolling back to older versions ends with it. Returns how many were deleted.
        """
        hours, deleted = retention // timedelta(hours=1), 0
        for table in self._existing():
            with declared(self.path(table)):
                gone = self._open(table).vacuum(
                    hours, dry_run=False, enforce_retention_duration=False, full=True
                )
                deleted += len(gone)
        return deleted

    def maintain(self, retention: timedelta = RETENTION) -> MaintenanceReport:
        """The maintenance of both tables: compact, checkpoint the log, then vacuum.

        Raises:
            LakeMissing: There is neither table.
        """
        before = self._count()
        self.compact()
        for table in self._existing() or [EVENTS]:
            opened = self._open(table)
            with self._turn(table):
                opened.create_checkpoint()
        after = self._count()
        return MaintenanceReport(before, after, self.vacuum(retention))

    def _existing(self) -> list[str]:
        return [table for table in (EVENTS, ITEMS) if self.exists(table)]

    def _count(self) -> int:
        return sum(len(self.files(table)) for table in self._existing())

    def _open(self, table: str, version: int | datetime | None = None) -> DeltaTable:
        with declared(self.path(table)):
            opened = DeltaTable(self.path(table))
            if isinstance(version, int) and not 0 <= version <= opened.version():
                reason = f"the table {table} at {self.root} has no such version"
                cure = f"choose one from 0 to {opened.version()}"
                raise InvalidArgument.of(version, field="version", reason=reason, cure=cure)
            if version is not None:
                opened.load_as_version(version)
            return opened

    def _created(self, table: str, create: Callable[[], None]) -> bool:
        """Make the table; False when another writer made it first."""
        try:
            with declared(self.path(table)):
                create()
        except LakeUnavailable:
            if self.exists(table):
                return False
            raise
        return True

    def _writing(self, table: str, rows: pa.Table) -> Callable[[], None]:
        return partial(
            write_deltalake,
            self.path(table),
            rows,
            mode="error",
            partition_by=[c.DATE] if table == EVENTS else None,
            target_file_size=TARGET_FILE_BYTES,
            writer_properties=WRITER,
        )

    def _insert(self, fresh: pa.Table) -> int:
        opened, around = self._open(EVENTS), _days_around(fresh.column(c.DATE))
        live = live_files(opened, self.path(EVENTS))
        files = {file: day in around for file, day in live.items()}
        known = self._ids.among(fresh.column(c.ID).combine_chunks(), files)
        new = fresh.filter(pa.array(~known))
        if new.num_rows:
            write_deltalake(
                opened,
                new,
                mode="append",
                # A table that an earlier version made gets the columns that it lacks.
                schema_mode="merge",
                writer_properties=WRITER,
                # Fails if anything was committed since the ids were read.
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        return int(new.num_rows)

    def _upsert(self, latest: pa.Table) -> int:
        merger = self._open(ITEMS).merge(
            latest,
            predicate="t.id = s.id",
            source_alias="s",
            target_alias="t",
            writer_properties=WRITER,
        )
        updating = merger.when_matched_update_all()
        metrics = updating.when_not_matched_insert_all().execute()
        return int(metrics["num_target_rows_inserted"])

    def _compact(self, table: str) -> int:
        opened = self._open(table)
        metrics = opened.optimize.compact(target_size=TARGET_FILE_BYTES, writer_properties=WRITER)
        return int(metrics["numFilesRemoved"])

    def _retried(self, table: str, attempt: Callable[[], int]) -> int:
        """Try again when another writer's commit came first; theirs is in the table then."""
        with self._turn(table):
            for number in range(ATTEMPTS - 1):
                with suppress(CommitFailedError):
                    return attempt()
                time.sleep(0.02 * 2**number)
            return attempt()

    @contextmanager
    def _turn(self, table: str) -> Iterator[None]:
        with declared(self.path(table)), self._settling[table].turn():
            yield


@contextmanager
def declared(path: str) -> Iterator[None]:
    """Raise what goes wrong with the table at a path as `LakeMissing` or `LakeUnavailable`."""
    try:
        yield
    except TableNotFoundError as error:
        cure = "`homing import` a file, or set HOMING_LAKE_PATH to where the lake is"
        message = f"no history at {path}: {cure}"
        raise LakeMissing(message) from error
    except Exception as error:
        # With one processor, Delta says with a bare Exception that rows broke off.
        if type(error) is not Exception and not isinstance(error, _DECLARED):
            raise
        message = f"the lake at {path} can't be used: {error}; {_cure(error)}"
        raise LakeUnavailable(message) from error


def live_files(table: DeltaTable, path: str) -> dict[str, str | None]:
    """The Parquet files of an opened table, in order → the day that each is of; None without days.

    Args:
        table: At any version.
        path: Where it lies.
    """
    # `file_uris()` gives the folder percent-encoded, and DuckDB would not find it.
    actions = pa.table(table.get_add_actions(flatten=True))
    files = [f"{path}/{unquote(name)}" for name in actions.column("path").to_pylist()]
    parted = f"partition.{c.DATE}"
    known = parted in actions.column_names
    days = actions.column(parted).to_pylist() if known else [None] * len(files)
    return dict(sorted(zip(files, days, strict=True)))


def _cure(error: Exception) -> str:
    text = str(error).lower()
    if isinstance(error, CommitFailedError):
        return "other writers came first every time: try again when fewer write"
    if "no space" in text or "quota" in text:
        return "free space on its disk; what was half written is not part of the table"
    if "permission denied" in text or "read-only" in text:
        return "let this user read and write there"
    return "mend or restore the folder, or set HOMING_LAKE_PATH to a lake that is whole"


def _days_around(days: pa.ChunkedArray) -> set[str]:
    """The distinct days and those up to `SAME_ID_DAYS` around them, as ISO dates."""
    reach = range(-SAME_ID_DAYS, SAME_ID_DAYS + 1)
    distinct = [date.fromisoformat(day) for day in pc.unique(days).to_pylist()]
    return {(day + timedelta(days=by)).isoformat() for day in distinct for by in reach}


def _scan(con: Backend, files: Iterable[str], schema: pa.Schema) -> ibis.Table:
    import ibis  # noqa: PLC0415 - an extra, and whoever has a Backend has it

    paths = list(files)
    if not paths:
        return ibis.memtable(schema.empty_table())
    # Not read_delta: it makes DuckDB download an extension.
    table = con.read_parquet(
        paths, hive_partitioning=True, hive_types_autocast=False, union_by_name=True
    )
    # Files that an earlier version wrote lack columns, and all of them may lack the same.
    lacking = {
        field.name: ibis.null(field.type) for field in schema if field.name not in table.columns
    }
    whole = table.mutate(**lacking)
    if c.MACHINE in schema.names:  # nobody knew of robots when older rows were written
        whole = whole.mutate(**{c.MACHINE: whole[c.MACHINE].fill_null(False)})  # noqa: FBT003 - as Ibis has it
    return whole.select(*schema.names)
