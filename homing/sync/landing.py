"""From rows that were fetched to the lake, the profiles and the catalogue: once, and checked.

The rows are compared with what the source said of them when they came, then imported as a file is
(`features.importing`), which compares the lake with them. A row that breaks the contract, that
could be no event, or whose id the lake has with other content becomes a dead letter. Only then are
the files dropped. Whoever is killed in between does it again, and nothing is doubled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from features import columns as c
from features.clock import Clock
from features.errors import ImportDiffers
from features.event import AHEAD, Event
from features.identity import CustomerKeys
from features.importing import CHANGED, Destination, ImportReport, Progress, import_file
from features.scratch import scratch_folder
from features.source_file import SourceFile
from features.stores.codec import encode_event
from features.stores.ports import EventLog
from homing.sync.declared import Declared
from homing.sync.flat import MODULUS, Fetched, columns_of, said

NEEDED: Final = (c.ID, c.TYPE, c.CUSTOMER, c.OCCURRED_AT)
"""What an event can't be without; a letter of what has it not shows that."""
LANDED: Final = "landed.json"
ORIGIN: Final = "sync:"
"""What stands before the source's name in its letters: webhooks may have a source of that name."""
BATCH_ROWS: Final = 10_000


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept of all that was fetched; in a file beside dlt's state.

    Attributes:
        fetched: What was ever fetched, when it was.
        files: Those that are not needed any more.
    """

    fetched: Fetched = msgspec.field(default_factory=Fetched)
    files: tuple[str, ...] = ()


class Landing(NamedTuple):
    """Where rows go.

    Attributes:
        into: Lake, profiles and catalogue.
        log: Takes dead letters.
        keys: For rows that have a key already.
        clock: Tells which events lie in the future.
        folder: The source's own.
    """

    into: Destination
    log: EventLog
    keys: CustomerKeys
    clock: Clock
    folder: Path

    def before(self) -> Fetched:
        """What was kept already; files that are not needed any more go."""
        try:
            landed = msgspec.json.decode((self.folder / LANDED).read_bytes(), type=Landed)
        except FileNotFoundError:
            return Fetched()
        for name in landed.files:
            Path(name).unlink(missing_ok=True)
        return landed.fetched

    def land(
        self, declared: Declared, files: Sequence[Path], fetched: Fetched, progress: Progress | None
    ) -> tuple[ImportReport, Mapping[str, int]]:
        """Bring the rows of files where they go, and drop the files.

        Returns:
            What the import did; and reason → how many dead letters.

        Raises:
            ImportDiffers: The files do not hold what the source said, or the lake not what they do.
            LakeUnavailable: The lake or its disk failed.
            StoreUnavailable: A store or the log failed.
        """
        before = self.before()
        letters: dict[str, int] = {}
        with scratch_folder(self.folder, ".landing-") as scratch:
            path = scratch / "rows.parquet"
            _check(_gather(declared, files, path), fetched, before, self.folder)
            into = replace(
                self.into, changed=lambda table: self._changed(declared.name, table, letters)
            )
            report = import_file(path, declared.mapping(), into, self.keys, self.clock, progress)
            if declared.event is not None:
                # After the import: items that it brought are known then.
                letters |= self._bury(declared.name, self._left_out(declared, path))
        self._keep(Landed(fetched=fetched, files=tuple(map(str, files))))
        return report, letters

    def _left_out(self, declared: Declared, path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Rows that should have been events, and why they are none."""
        meant = [one.reason for one in declared.event.reject] if declared.event else []
        with closing(SourceFile(path, declared.mapping())) as source:
            if declared.catalogue is not None:
                source.join(self.into.items())
            yield from source.left_out((self.clock.now() + AHEAD).isoformat(), but=meant)

    def _changed(self, name: str, table: pa.Table, letters: dict[str, int]) -> None:
        found = (
            (CHANGED, row) for batch in table.to_batches(BATCH_ROWS) for row in batch.to_pylist()
        )
        letters |= self._bury(name, found)

    def _bury(self, name: str, found: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, int]:
        """Keep rows as dead letters, each as an event of the log; what is there already stays."""
        waiting: dict[str, list[bytes]] = {}
        counted: dict[str, int] = {}
        for reason, row in found:
            fields: dict[str, Any] = dict.fromkeys(NEEDED) | {
                key: value
                for key, value in row.items()
                if value is not None and key in Event.__struct_fields__
            }
            held = waiting.setdefault(reason, [])
            held.append(encode_event(Event(**fields)))
            counted[reason] = counted.get(reason, 0) + 1
            if len(held) >= BATCH_ROWS:
                self.log.bury(waiting.pop(reason), reason, ORIGIN + name)
        for reason, bodies in waiting.items():
            self.log.bury(bodies, reason, ORIGIN + name)
        return counted

    def _keep(self, landed: Landed) -> None:
        path = self.folder / LANDED
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(landed))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        self.before()


def _gather(declared: Declared, files: Sequence[Path], path: Path) -> tuple[int, int]:
    """Write the rows of all files into one; how many they are and what they say."""
    kinds = {
        name: pa.float64() if is_number else pa.string()
        for name, is_number in columns_of(declared.rows).items()
    }
    schema = pa.schema(list(kinds.items()))
    rows, total = 0, 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for file in files:
            with pq.ParquetFile(file) as staged:
                # Of an older form of the file, other columns may be there.
                there = set(staged.schema_arrow.names)
                for batch in staged.iter_batches(BATCH_ROWS):
                    cells = [
                        batch.column(name).cast(kind)
                        if name in there
                        else pa.nulls(batch.num_rows, kind)
                        for name, kind in kinds.items()
                    ]
                    made = pa.record_batch(cells, schema=schema)
                    writer.write_batch(made)
                    rows += made.num_rows
                    total += sum(said(row) for row in made.to_pylist())
    return rows, total % MODULUS


def _check(found: tuple[int, int], fetched: Fetched, before: Fetched, folder: Path) -> None:
    expected = fetched.rows - before.rows, (int(fetched.said, 16) - int(before.said, 16)) % MODULUS
    if found != expected:
        message = (
            f"the source said {expected[0]} rows, checksum {expected[1]:016x}, and {folder} holds "
            f"{found[0]}, checksum {found[1]:016x}: see to its disk; to fetch everything again, "
            "which doubles nothing, remove that folder"
        )
        raise ImportDiffers(message)
