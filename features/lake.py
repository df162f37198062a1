"""The lake: Delta tables of events and items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from features.event import Event
from features.item import Item

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

EVENTS = "events"
ITEMS = "items"


@dataclass(frozen=True)
class MergeReport:
    """What a merge did: rows given, rows that were new, the table's version after it."""

    rows: int
    inserted: int
    version: int


@dataclass(frozen=True)
class MaintenanceReport:
    """What maintenance did: files before and after compaction, files deleted."""

    files_before: int
    files_after: int
    deleted: int


def event_table(events: Iterable[Event]) -> pa.Table:
    """Events as the lake keeps them."""
    raise NotImplementedError


def item_table(items: Iterable[Item]) -> pa.Table:
    """Items as the lake keeps them."""
    raise NotImplementedError


class Lake:
    """History in Delta tables below one folder. Args: root: the folder, created on first write."""

    def __init__(self, root: str) -> None:
        self.root = root

    def merge_events(self, events: pa.Table) -> MergeReport:
        """Insert the events whose id is not there yet."""
        raise NotImplementedError

    def merge_items(self, items: pa.Table) -> MergeReport:
        """Add or replace items by id."""
        raise NotImplementedError

    def exists(self, table: str = EVENTS) -> bool:
        """Whether the table is there."""
        raise NotImplementedError

    def version(self, table: str = EVENTS) -> int:
        """The table's newest version."""
        raise NotImplementedError

    def files(self, table: str = EVENTS, version: int | datetime | None = None) -> list[str]:
        """The live Parquet files at a version or a moment."""
        raise NotImplementedError

    def events(
        self, con: Backend, version: int | None = None, as_of: datetime | None = None
    ) -> ibis.Table:
        """The events, as of a version or a moment of the lake's own history."""
        raise NotImplementedError

    def items(
        self, con: Backend, version: int | None = None, as_of: datetime | None = None
    ) -> ibis.Table:
        """The items; no rows when no item was ever stored."""
        raise NotImplementedError

    def compact(self) -> None:
        """Join small files."""
        raise NotImplementedError

    def vacuum(self, retention: timedelta = timedelta(days=7)) -> int:
        """Delete files that no version younger than `retention` needs; returns how many."""
        raise NotImplementedError

    def maintain(self, retention: timedelta = timedelta(days=7)) -> MaintenanceReport:
        """Compact, then vacuum."""
        raise NotImplementedError
