"""History from files: what `homing import FILE --mapping M.toml` does.

A file goes through in four steps, each streamed, so that memory does not grow with it:

1. Read: every row is mapped, checked and counted; outside customer ids become keys in memory.
2. Stage: what is accepted goes to a folder beside the lake and gets its ids.
3. Store: the staged events go into the lake, in one commit if it is empty. Then the lake is read
   back and compared with what the source said, by count and checksum.
4. Fold: histories are joined into the profiles.

An import that is interrupted, or done twice, is mended by doing it again: nothing is doubled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from features.clock import Clock
from features.engine import declared
from features.errors import ImportDiffers, LakeUnavailable
from features.event import AHEAD
from features.identity import CustomerKeys
from features.item import Item
from features.lake import EVENTS, Lake
from features.mapping import FileMapping, load_mapping
from features.scratch import scratch_folder
from features.source_file import Exchanged, SourceFile
from features.staging import Staging
from features.stores.ports import Catalogue, ProfileStore
from features.tables import item_table

__all__ = ["Destination", "ImportReport", "Progress", "import_file", "load_mapping"]

Progress = Callable[[int, int], None]
"""Told how many steps are done of how many; the total stays the same."""
CHANGED: Final = "the lake has it with other content under the same id"
"""Why an event is set aside."""
STAGED: Final = ".import-"
"""How names of folders beside the lake's tables begin that hold staged events."""


@dataclass(frozen=True)
class Destination:
    """Where an import goes.

    Attributes:
        lake: Takes events and items.
        profiles: The histories are joined into it, if given.
        catalogue: The items are put into it, and those of events are looked up in it, if given.
        changed: Takes events, `EVENT_SCHEMA`, whose ids the lake has with other content; an import
            that has any is refused without it.
    """

    lake: Lake
    profiles: ProfileStore | None = None
    catalogue: Catalogue | None = None
    changed: Callable[[pa.Table], None] | None = None

    def items(self) -> Iterable[Item]:
        """All items that are known."""
        return () if self.catalogue is None else self.catalogue.all()


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did. `rows` is `accepted` and all of `rejected` together.

    Attributes:
        rows: Rows read.
        accepted: Rows that became events.
        rejected: Reason → rows that did not.
        inserted: Events that were new to the lake.
        already_there: Events that the lake had.
        exchanged: Currency → values of the accepted rows that were turned from it into the shop's.
        customers: Distinct customers of the accepted rows.
        items: Items stored.
        items_rejected: Reason → items that were not.
        checksum: Of what the accepted rows say, the same in source and lake; 16 hex digits.
        version: Of the lake's table of events afterwards; None when the mapping has no events.
    """

    rows: int = 0
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    inserted: int = 0
    already_there: int = 0
    exchanged: Mapping[str, Exchanged] = field(default_factory=dict)
    customers: int = 0
    items: int = 0
    items_rejected: Mapping[str, int] = field(default_factory=dict)
    checksum: str = f"{0:016x}"
    version: int | None = None


class _Steps:
    """Adds up progress: a row counts once for each of the steps that it goes through."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, done: int) -> None:
        self._done = min(self._total, self._done + done)
        self._tell()

    def finish(self) -> None:
        self._done = self._total
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)


def import_file(
    path: Path,
    mapping: FileMapping,
    into: Destination,
    keys: CustomerKeys,
    clock: Clock,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a CSV file, a Parquet file or the folder of a Delta table.

    Args:
        path: The file.
        mapping: What its columns mean.
        into: Where it goes.
        keys: Turns outside ids into keys; no outside id is ever written.
        clock: Tells which events lie in the future.
        progress: Called from this thread.

    Raises:
        InvalidArgument: The file can't be read, or the mapping does not fit it.
        ImportDiffers: What the lake holds is not what the source said.
        LakeUnavailable: The lake or its disk failed; nothing is lost by doing it again.
        StoreUnavailable: A store failed; the same holds.
    """
    with closing(SourceFile(path, mapping)) as source:
        parts = (mapping.items, mapping.event, mapping.event, mapping.event and into.profiles)
        steps = _Steps(progress, source.rows * sum(part is not None for part in parts))
        report = ImportReport()
        if mapping.items is not None:
            report = _import_items(source, into)
            steps.add(source.rows)
        if mapping.catalogue is not None:
            source.join(into.items())
        if mapping.event is None:
            unreadable = source.unreadable()
            lost = {"line not readable": unreadable} if unreadable else {}
            return replace(report, items_rejected={**report.items_rejected, **lost})
        latest = (clock.now() + AHEAD).isoformat()
        with _folder(into.lake) as folder, closing(Staging(folder, mapping.name)) as staging:
            return _import_events(_Run(source, staging, into, steps), keys, latest, report)


@dataclass(frozen=True)
class _Run:
    """One import of events under way."""

    source: SourceFile
    staging: Staging
    into: Destination
    steps: _Steps


def _import_events(
    run: _Run, keys: CustomerKeys, latest: str, report: ImportReport
) -> ImportReport:
    rejected: Counter[str] = Counter()
    exchanged: dict[str, Exchanged] = {}
    for batch in run.source.events(keys, latest):
        rejected.update(batch.rejected)
        for currency, one in batch.exchanged.items():
            exchanged[currency] = exchanged.get(currency, Exchanged()) + one
        run.staging.add(batch)
        run.steps.add(batch.rows)
    unreadable = run.source.unreadable()
    rejected.update({"line not readable": unreadable} if unreadable else {})
    repeated = run.staging.settle()
    rejected.update({"same id twice in the file": repeated} if repeated else {})
    changed = _set_aside(run)
    rejected.update({CHANGED: changed} if changed else {})
    inserted, version = _store(run)
    if run.into.profiles is not None:
        for histories, events in run.staging.histories():
            run.into.profiles.fold(histories)
            run.steps.add(events)
    run.steps.finish()
    staged = run.staging.summary
    return ImportReport(
        rows=staged.rows + rejected.total(),
        accepted=staged.rows,
        rejected=dict(rejected.most_common()),
        inserted=inserted,
        already_there=staged.rows - inserted,
        exchanged=exchanged,
        customers=staged.customers,
        items=report.items,
        items_rejected=report.items_rejected,
        checksum=staged.checksum,
        version=version,
    )


def _set_aside(run: _Run) -> int:
    """Give those away whose ids the lake has with other content, to who takes them: how many."""
    lake, staging, changed = run.into.lake, run.staging, run.into.changed
    if changed is None or not staging.summary.rows or not lake.exists():
        return 0
    files = lake.files()
    if not staging.differing(files):
        return 0
    taken = staging.take_differing(files)
    changed(taken)
    return int(taken.num_rows)


def _store(run: _Run) -> tuple[int, int | None]:
    """Bring the staged events into the lake and check them there: how many are new, version."""
    lake, staging = run.into.lake, run.staging
    rows = staging.summary.rows
    if not rows:
        return 0, lake.version() if lake.exists() else None
    created = None if lake.exists() else lake.create_events(staging.events(), rows)
    if created is None:
        inserted, version = _merge(run)
    else:
        inserted, version = created.inserted, created.version
        run.steps.add(rows)
    found = staging.found_in(lake.files(EVENTS, version), alone=created is not None)
    if found != staging.summary:
        message = (
            f"the lake at {lake.root} holds {found}, and the source says {staging.summary}: "
            "keep the file, and check the lake's disk before importing it again"
        )
        raise ImportDiffers(message)
    return inserted, version


def _merge(run: _Run) -> tuple[int, int]:
    """Merge the staged events into a lake that has some: how many are new, version."""
    lake, staging = run.into.lake, run.staging
    if differing := staging.differing(lake.files()):
        message = (
            f"{differing} events of the file are in the lake at {lake.root} already, with other "
            "content under the same id; nothing was written: leave them out of the file, or give "
            "the mapping another name"
        )
        raise ImportDiffers(message)
    inserted, version = 0, 0
    for chunk in staging.chunks():
        merged = lake.merge_events(chunk)
        inserted += merged.inserted
        version = merged.version
        run.steps.add(chunk.num_rows)
    return inserted, version


def _import_items(source: SourceFile, into: Destination) -> ImportReport:
    items, rejected = source.items()
    if items:
        into.lake.merge_items(item_table(items))
        if into.catalogue is not None:
            into.catalogue.put_many(items)
    return ImportReport(items=len(items), items_rejected=rejected)


@contextmanager
def _folder(lake: Lake) -> Iterator[Path]:
    """A folder for staged events on the lake's own disk, gone afterwards."""
    root = Path(lake.root)
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(scratch_folder(root, STAGED))
        except OSError as error:
            message = f"the lake at {root} can't be written: {error.strerror}; let this user write"
            raise LakeUnavailable(message) from error
        try:
            with declared(f"the import into {root}"):
                yield folder
        except OSError as error:
            message = f"the import into {root} can't be written: {error}; free space on its disk"
            raise LakeUnavailable(message) from error
