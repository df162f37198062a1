"""What has become of events: the lake and the profiles against what was acknowledged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from features import columns as c
from features.event import Event
from features.ingest import LAKE, PROFILES, histories
from features.lake import Lake
from features.profile import Profile
from features.stores.opening import open_log, open_stores
from features.tables import EVENT_SCHEMA, event_table, first_of_each

PATIENCE = 180.0
"""Seconds within which the loops must have carried on all that waits."""


@dataclass(frozen=True)
class Wrong:
    """What must not be: all of it is 0 where all is well.

    Attributes:
        missing: Acknowledged events that the lake lacks.
        doubled: Its rows beyond one for an id.
        foreign: Ids of it that nobody sent.
        altered: Rows that say something else than was sent.
        profiles: Customers whose history is not the fold of the lake.
        letters: Dead letters.
        waiting: Entries of the log that a reader has not got.
    """

    missing: int
    doubled: int
    foreign: int
    altered: int
    profiles: int
    letters: int
    waiting: int

    def __bool__(self) -> bool:
        """Whether anything is."""
        return any(astuple(self))


def lake_of(home: Path) -> pa.Table:
    """The events that the lake has, in the order of their ids."""
    lake = Lake(str(home / "lake"))
    if not lake.exists():
        return EVENT_SCHEMA.empty_table()
    table = DeltaTable(lake.path("events")).to_pyarrow_table()
    return table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA).sort_by(c.ID)


def profiles_of(home: Path) -> dict[str, Profile]:
    """The profiles that the store has."""
    with closing(open_stores(f"sqlite:///{home / 'profiles.db'}")) as stores:
        return stores.profiles.get_many(stores.profiles.customers())


def wrong_with(home: Path, url: str, sent: Sequence[Event]) -> Wrong:
    """What is wrong.

    Args:
        home: Has lake and profiles.
        url: Of the event log.
        sent: What was acknowledged, perhaps some of it several times.
    """
    kept = lake_of(home)
    once = first_of_each(kept)
    truth = first_of_each(event_table(sent)).sort_by(c.ID)
    ids, told = set(once.column(c.ID).to_pylist()), set(truth.column(c.ID).to_pylist())
    both = sorted(ids & told)
    mine, theirs = (_only(table, both).to_pylist() for table in (once, truth))
    with closing(open_log(url)) as log:
        waiting = log.depth(PROFILES) + log.depth(LAKE)
        letters = len(log.dead_letters(limit=1_000))
    return Wrong(
        missing=len(told - ids),
        doubled=kept.num_rows - once.num_rows,
        foreign=len(ids - told),
        altered=sum(one != other for one, other in zip(mine, theirs, strict=True)),
        profiles=_differing(profiles_of(home), once),
        letters=letters,
        waiting=waiting,
    )


def settled(home: Path, url: str, sent: Sequence[Event]) -> tuple[Wrong, float]:
    """What is wrong once the loops have carried on all that they can, and the seconds that took."""
    ids, began = len({event.id for event in sent}), time.monotonic()

    def late() -> bool:
        return time.monotonic() - began > PATIENCE

    while not late() and not _through(home, url, ids):
        time.sleep(0.1)
    while (wrong := wrong_with(home, url, sent)) and not late():
        time.sleep(0.5)
    return wrong, time.monotonic() - began


def _through(home: Path, url: str, ids: int) -> bool:
    lake = Lake(str(home / "lake"))
    if not lake.exists() or DeltaTable(lake.path("events")).count() < ids:
        return False
    with closing(open_log(url)) as log:
        return log.depth(PROFILES) == log.depth(LAKE) == 0


def _only(table: pa.Table, ids: Sequence[str]) -> pa.Table:
    return table.filter(pc.is_in(table.column(c.ID), pa.array(ids, pa.string())))


def _differing(found: dict[str, Profile], once: pa.Table) -> int:
    """How many customers' histories are not the fold of these events."""
    events = [
        msgspec.convert({**row, c.ITEMS: row[c.ITEMS] or ()}, Event)
        for row in once.drop_columns([c.DATE]).to_pylist()
    ]
    folded = histories(events)
    return sum(
        key not in found or key not in folded or found[key].history != folded[key]
        for key in found.keys() | folded.keys()
    )
