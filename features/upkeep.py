"""The lake kept healthy while events come in: small files joined, old ones deleted.

A merge makes a small file in each day that it has events of, and late events make theirs in days
long gone. So each day is counted by itself, and those with too many are joined. This is done beside
the merges and not in their turn: joining changes no row, so that its commit goes through whatever
was inserted meanwhile. It is one commit however many days it joins: a merge that loses to it is
tried again (`Lake.merge_events`), and would lose to one a day until it gives up.

Once a day every day with two small files is joined, the log of the table is cut to what is kept,
and files are deleted that no version of the days kept needs. How far back versions can be read is
one number: `HOMING_LAKE_KEEP_DAYS`.

Source: "Delta Transaction Log Protocol", on data files' tombstones and the cleanup of the log
(https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import structlog
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from features import columns as c
from features.clock import Clock
from features.lake import EVENTS, ITEMS, TARGET_FILE_BYTES, WRITER, Lake, declared
from features.settling import Settling

SMALL_BYTES: Final = TARGET_FILE_BYTES // 2
"""A smaller file is joined with others; two of these would be more than one is meant to be."""
DAILY: Final = timedelta(days=1)
TURN: Final = ".upkeep"
"""File beside the tables: locked by who looks after them, and as old as the last daily round."""

_RETENTIONS: Final = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")
_log = structlog.get_logger("homing.upkeep")


@dataclass(frozen=True)
class UpkeepReport:
    """What was done.

    Attributes:
        joined: Files that were joined with others.
        deleted: Files that no kept version needed.
    """

    joined: int = 0
    deleted: int = 0


class Upkeep:
    """Looks after a lake; any number of processes may, and one at a time does.

    Args:
        lake: What is looked after.
        keep: How long versions stay readable; a day at least.
        small_files: As many small files a day of events may have before they are joined.
        clock: Tells when a day is over.
    """

    def __init__(self, lake: Lake, keep: timedelta, small_files: int, clock: Clock) -> None:
        self._lake = lake
        self._keep = keep
        self._small_files = small_files
        self._clock = clock

    def look(self) -> UpkeepReport:
        """Do what is due; nothing while another process does.

        Raises:
            LakeUnavailable: The lake can't be read or written; the rest is done another time.
        """
        tables = [table for table in (EVENTS, ITEMS) if self._lake.exists(table)]
        if not tables:
            return UpkeepReport()
        with self._turn() as turn:
            if turn is None:
                return UpkeepReport()
            now = self._clock.now().timestamp()
            daily = now - turn.stat().st_mtime >= DAILY.total_seconds()
            joined = sum(self._join(table, 2 if daily else self._small_files) for table in tables)
            deleted = 0
            if daily:
                for table in tables:
                    self._shorten(table)
                deleted = self._lake.vacuum(self._keep)
                os.utime(turn, (now, now))
        if joined or deleted:
            _log.info("looked after the lake", joined=joined, deleted=deleted)
        return UpkeepReport(joined, deleted)

    def _join(self, table: str, enough: int) -> int:
        """Join the small files of each day that has enough of them; how many went."""
        path = self._lake.path(table)
        with declared(path):
            opened = DeltaTable(path)
            days = sorted(day for day, number in _small(opened).items() if number >= enough)
            if not days:
                return 0
            try:
                # One commit, so that a merge loses to it once; one part at a time, to spare memory.
                metrics = opened.optimize.compact(
                    partition_filters=[(c.DATE, "in", days)] if all(days) else None,
                    target_size=TARGET_FILE_BYTES,
                    max_concurrent_tasks=1,
                    writer_properties=WRITER,
                )
            except CommitFailedError:  # who came first joined them too, or changed what they say
                return 0
        return int(metrics["numFilesRemoved"])

    def _shorten(self, table: str) -> None:
        """Have the table's log go as far back as its files, and no farther."""
        path = self._lake.path(table)
        kept = f"interval {self._keep.days} days"
        with declared(path):
            opened = DeltaTable(path)
            known = opened.metadata().configuration
            if any(known.get(name) != kept for name in _RETENTIONS):
                opened.alter.set_table_properties(dict.fromkeys(_RETENTIONS, kept))
            opened.create_checkpoint()
            # A power cut must not leave the table without what the checkpoint sums up.
            Settling(path).settle()
            opened.cleanup_metadata()

    @contextmanager
    def _turn(self) -> Iterator[Path | None]:
        """The file that says whose turn it is; None while it is another's."""
        path = Path(self._lake.root) / TURN
        with declared(self._lake.root):
            if not path.exists():
                path.touch(mode=0o600)
                os.utime(path, (0, 0))
            file = os.open(path, os.O_RDONLY)
            try:
                yield path if _locked(file) else None
            finally:
                os.close(file)


def _small(table: DeltaTable) -> Counter[str]:
    """Day → how many small files it has; the empty text for a table that is not parted by day."""
    actions = pa.table(table.get_add_actions(flatten=True))
    sizes = actions.column("size_bytes").to_pylist()
    parted = f"partition.{c.DATE}" in actions.column_names
    days = actions.column(f"partition.{c.DATE}").to_pylist() if parted else [""] * len(sizes)
    return Counter(day for day, size in zip(days, sizes, strict=True) if size < SMALL_BYTES)


def _locked(file: int) -> bool:
    """Whether the lock is this process's now; a file system without locks refuses nobody."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
