"""`homing sync NAME`: fetches what is new at a source, and keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from features.clock import Clock
from features.errors import MissingExtra
from features.importing import Destination, ImportReport
from features.lake import Lake
from features.progress import Stage
from features.stores.opening import open_log, open_stores
from homing.declaring import Variables
from homing.importing import import_lines
from homing.sync.declared import find_declared
from homing.sync.flat import MODULUS, Fetched
from homing.sync.landing import Landing
from homing.sync.settings import SyncSettings
from training.lock import only_one

if TYPE_CHECKING:
    from homing.sync.fetching import Fetcher, Opened

PREFIX: Final = "HOMING_SYNC_"
"""What the names of its variables begin with."""
READY: Final = Path(__file__).parent / "ready"
EXTRA: Final = frozenset({"dlt", "sqlalchemy", "tenacity"})


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """How a source has changed since the sync before; nothing at the first.

    Attributes:
        appeared: Field that is new → its kind.
        changed: Field that is of another kind → the former and the new one.
        empty: Columns in which no row of this sync had anything, and rows had before.
    """

    appeared: Mapping[str, str] = msgspec.field(default_factory=dict)
    changed: Mapping[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    empty: tuple[str, ...] = ()


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync did.

    Attributes:
        name: The source's.
        records: Records that the source gave.
        rows: Rows that were made of them.
        checksum: Of these rows, the same where they were made and where they were staged.
        landed: What became of them; None when there was nothing new.
        letters: Reason → dead letters.
        changes: How the source has changed.
    """

    name: str
    records: int = 0
    rows: int = 0
    checksum: str = f"{0:016x}"
    landed: ImportReport | None = None
    letters: Mapping[str, int]
    changes: Changes


def sync(
    settings: SyncSettings, name: str, environ: Mapping[str, str], clock: Clock, stage: Stage
) -> SyncReport:
    """Fetch what is new at a source into the lake, the profiles and the catalogue.

    Args:
        settings: Where those are.
        name: The source's.
        environ: Has its secrets.
        clock: Ours.
        stage: Shows how far it is.

    Raises:
        InputError: There is no such source, or its file can't be used.
        SettingsError: A secret or a library is missing.
        AlreadyRunning: The source is being synced.
        Unavailable: The source, the lake or a store failed; the next sync goes on there.
        ImportDiffers: A disk does not hold what was written.
    """
    declared = find_declared(name, settings.syncs_folder, READY)
    keys = settings.customer_keys()
    folder = settings.home / "sync" / declared.name
    with ExitStack() as held:
        held.enter_context(only_one(folder, f"the sync of {name}", clock))
        fetcher_of, open_source = _dlt()
        opened = held.enter_context(open_source(declared, Variables(PREFIX, name, environ), clock))
        stores = open_stores(settings.resolved_store_url(), clock)
        held.callback(stores.close)
        log = held.enter_context(closing(open_log(settings.resolved_log_url(), clock)))
        into = Destination(Lake(settings.resolved_lake_path()), stores.profiles, stores.catalogue)
        landing = Landing(into, log, keys, clock, folder)
        before = landing.before()
        fetcher = fetcher_of(name, folder)
        with stage(f"fetch {name}") as advance:
            for fetched in fetcher.fetch(opened, declared.rows, keys):
                advance(fetched.records - before.records, 0)
        fetched = fetcher.fetched()
        found = None
        if files := fetcher.files():
            with stage(f"keep {name}") as advance:
                found = landing.land(declared, files, fetched, advance)
        fetcher.tidy()
        return _report(name, before, fetched, found)


def sync_lines(report: SyncReport) -> Iterable[str]:
    """What a sync did, in lines."""
    yield (
        f"{report.records:,} records fetched, {report.rows:,} rows; "
        f"source and staged rows agree (checksum {report.checksum})"
    )
    if report.landed is not None:
        yield from import_lines(report.landed)
    for reason, rows in sorted(report.letters.items(), key=lambda pair: -pair[1]):
        yield f"{rows:,} dead letters: {reason}"
    for field, kind in report.changes.appeared.items():
        yield f"new field of the source: {field} ({kind})"
    for field, (former, now) in report.changes.changed.items():
        yield f"field of the source has changed: {field} was {former}, and is {now}"
    for column in report.changes.empty:
        yield f"column that is empty now: {column}"


def _dlt() -> tuple[type[Fetcher], Callable[..., AbstractContextManager[Opened]]]:
    """What needs dlt, which is an extra.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        from homing.sync.fetching import Fetcher  # noqa: PLC0415 - an extra
        from homing.sync.opening import open_source  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        what = "homing sync"
        raise MissingExtra(what, "sync") from error
    return Fetcher, open_source


def _report(
    name: str,
    before: Fetched,
    fetched: Fetched,
    found: tuple[ImportReport, Mapping[str, int]] | None,
) -> SyncReport:
    landed, letters = (None, {}) if found is None else found
    rows = fetched.rows - before.rows
    total = (int(fetched.said, 16) - int(before.said, 16)) % MODULUS
    return SyncReport(
        name=name,
        records=fetched.records - before.records,
        rows=rows,
        checksum=f"{total:016x}",
        landed=landed,
        letters=letters,
        changes=_changes(before, fetched) if before.records and rows else Changes(),
    )


def _changes(before: Fetched, fetched: Fetched) -> Changes:
    known = before.fields
    appeared = {name: kind for name, kind in fetched.fields.items() if name not in known}
    changed = {
        name: (known[name], kind)
        for name, kind in fetched.fields.items()
        if known.get(name, "nothing") not in {"nothing", kind}
    }
    empty = [name for name, rows in fetched.given.items() if before.given.get(name) == rows]
    return Changes(appeared=appeared, changed=changed, empty=tuple(empty))
