"""`homing import`: opens what an import needs and tells what it did."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from features.clock import SystemClock
from features.importing import Destination, ImportReport, import_file
from features.lake import Lake
from features.mapping import load_mapping
from features.progress import Stage
from features.settings import Settings
from features.stores.opening import open_stores


def import_history(settings: Settings, file: Path, mapping: Path, stage: Stage) -> ImportReport:
    """Read a file into the lake, the profiles and the catalogue.

    Args:
        settings: Where those are.
        file: CSV, Parquet or a folder of a Delta table.
        mapping: TOML file that says which column is what.
        stage: Shows how far it is.

    Raises:
        InputError: File or mapping can't be used.
        SettingsError: There is no secret.
        Unavailable: The lake or a store can't be written.
    """
    read = load_mapping(mapping)
    keys = settings.customer_keys()
    stores = open_stores(settings.resolved_store_url())
    try:
        into = Destination(Lake(settings.resolved_lake_path()), stores.profiles, stores.catalogue)
        with stage(f"import {file.name}") as advance:
            return import_file(file, read, into, keys, SystemClock(), advance)
    finally:
        stores.close()


def import_lines(report: ImportReport) -> Iterable[str]:
    """What an import did, in lines."""
    items_alone = not report.rows and (report.items or report.items_rejected)
    if not items_alone:
        yield (
            f"{report.rows:,} rows read, {report.accepted:,} accepted: "
            f"{report.inserted:,} new events, {report.already_there:,} were there already"
        )
    for reason, rows in sorted(report.rejected.items(), key=lambda pair: -pair[1]):
        yield f"  {rows:,} rejected: {reason}"
    for currency, one in sorted(report.exchanged.items()):
        yield f"  {one.rows:,} values of {one.paid:,.2f} {currency} came to {one.value:,.2f}"
    if report.items:
        yield f"{report.items:,} items in the catalogue"
    for reason, rows in sorted(report.items_rejected.items(), key=lambda pair: -pair[1]):
        yield f"  {rows:,} items rejected: {reason}"
    if not items_alone:
        yield f"{report.customers:,} customers; source and lake agree (checksum {report.checksum})"
