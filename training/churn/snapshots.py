"""Snapshots: customers as they stood at a moment T, and who of them churned after it.

A customer is *active* at T after a purchase in the `active_days` before T; only those can churn.
An active customer *churned* when no purchase follows in [T, T + horizon). Features see only events
before T, so a snapshot is what a publish at T would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features import columns as c
from features.definitions.table import FEATURES, open_past
from features.engine import declared, open_engine
from features.event import EventType
from features.lake import Lake
from features.persons import acts, claims, owners, under
from features.progress import Advance
from training.churn.bgnbd import BgNbd, Buyers, fit_bgnbd
from training.churn.rhythm import RHYTHM, buyers_of

if TYPE_CHECKING:
    import ibis

WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class Horizon:
    """What churn means.

    Attributes:
        ahead: No purchase within this is churn.
        active: A purchase within this before T makes a customer active.
    """

    ahead: timedelta
    active: timedelta


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The active customers at a moment.

    Attributes:
        at: T, aware.
        customers: Customer keys, ascending.
        features: Feature name → float64 (customers,), as of T.
        churned: Whether each bought nothing in [T, T + horizon).
        buyers: Everybody who ever bought before T, active or not.
    """

    at: datetime
    customers: tuple[str, ...]
    features: Mapping[str, NDArray[np.float64]]
    churned: NDArray[np.bool_]
    buyers: Buyers

    @cached_property
    def bgnbd(self) -> BgNbd:
        """BG/NBD of these buyers, fitted once.

        Raises:
            NotEnoughData: Too few customers bought, or too few of them again.
        """
        return fit_bgnbd(self.buyers)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of features, labels and buyers, hex digits."""
        digest = hashlib.sha256(self.churned.tobytes())
        for name in sorted(self.features):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.features[name]).tobytes())
        for column in (self.buyers.frequency, self.buyers.recency, self.buyers.age):
            digest.update(column.tobytes())
        return digest.hexdigest()


def snapshot_times(
    first: datetime, end: datetime, horizon: Horizon, *, most: int
) -> list[datetime]:
    """Moments whose labels are known at `end`, the latest first.

    The second is a horizon before the latest, so that what is calibrated on the latest has learnt
    from no day of its labels. The others lie a horizon apart where history is long, and as near
    as a week where it is short: labels then overlap, and still say more together.

    Args:
        first: When history begins; no snapshot is earlier than two horizons after it, or than the
            active span where that is shorter.
        end: Labels end here at the latest.
        horizon: What churn means.
        most: How many at the most, at least 3.
    """
    earliest = first + min(horizon.active, 2 * horizon.ahead)
    latest, second = end - horizon.ahead, end - 2 * horizon.ahead
    weeks = (second - earliest) // (most - 2) // WEEK
    apart = min(max(weeks, 1) * WEEK, horizon.ahead)
    times = [latest, *(second - apart * number for number in range(most - 1))]
    return [at for at in times if at >= earliest]


Counted = Callable[[Mapping[datetime, tuple[int, int]]], None]
"""Is told of each moment how many were active and how many of them churned; may raise."""


def load_snapshots(
    lake: Lake,
    moments: Collection[datetime],
    horizon: Horizon,
    version: int,
    advance: Advance,
    counted: Counted = lambda _: None,
) -> dict[datetime, Snapshot]:
    """The snapshot of each moment.

    Args:
        lake: Holds the events.
        moments: At least one T, aware; the lake must reach to T + horizon for the labels to be
            true.
        horizon: What churn means.
        version: Of the table of events.
        advance: Told of snapshots read, and of all.
        counted: Called before the features are read, which takes five times as long.

    Raises:
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    known: dict[datetime, Snapshot] = {}
    with _opened(lake, version) as told:
        retained = {at: _retained(*told, at, horizon) for at in moments}
    active = {
        at: (len(stayed), sum(not one for one in stayed.values()))
        for at, stayed in retained.items()
    }
    counted(active)
    with open_past(lake, max(moments), version) as past:
        for at in moments:
            known[at] = _snapshot(at, past.features(at), retained[at])
            advance(len(known), len(moments))
    return known


def _snapshot(at: datetime, table: pa.Table, retained: Mapping[str, bool]) -> Snapshot:
    """The snapshot of a moment.

    Args:
        at: T, aware.
        table: Features of everybody, as of T.
        retained: Active customer → whether a purchase follows within the horizon.
    """
    keys: list[str] = table.column(c.CUSTOMER).to_pylist()
    rows = np.array([row for row, key in enumerate(keys) if key in retained], dtype=np.int64)
    customers = tuple(keys[row] for row in rows)
    churned = np.array([not retained[key] for key in customers], dtype=np.bool_)
    everyone = columns_of(table)
    bought = everyone["purchase_days"] > 0
    buyers = buyers_of({name: everyone[name][bought] for name in RHYTHM})
    features = {name: column[rows] for name, column in everyone.items()}
    return Snapshot(at, customers, features, churned, buyers)


def columns_of(table: pa.Table) -> dict[str, NDArray[np.float64]]:
    """A table of features, as a column a name."""
    return {name: np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in FEATURES}


def joined(snapshots: Sequence[Snapshot]) -> dict[str, NDArray[np.float64]]:
    """Feature name → its values in all of the snapshots, one after the other."""
    return {
        name: np.concatenate([one.features[name] for one in snapshots])
        for name in snapshots[0].features
    }


def active_customers(lake: Lake, at: datetime, lately: timedelta, version: int) -> frozenset[str]:
    """Keys of those who bought lately before a moment: of whom a churn model may speak."""
    with _opened(lake, version) as told:
        return frozenset(_retained(*told, at, Horizon(timedelta(0), lately)))


@contextmanager
def _opened(lake: Lake, version: int) -> Iterator[tuple[ibis.Table, ibis.Table]]:
    """The events of a version, of any time, and what was said of who is whom."""
    engine = open_engine()
    with closing(engine.con), declared(lake.root):
        events = lake.events(engine, version)
        yield events, engine.create_table("claims", claims(events), temp=True)


def _retained(
    events: ibis.Table, said: ibis.Table, at: datetime, horizon: Horizon
) -> dict[str, bool]:
    """Active customer → whether a purchase follows within the horizon.

    Who is active is what was known at T; who bought is what is known when the horizon ends. One who
    turned out to be somebody else meanwhile is neither.
    """
    first, last = at - horizon.active, at + horizon.ahead
    bought = acts(events).filter(
        events[c.TYPE] == EventType.PURCHASE.value,
        # The days as literals leave all other partitions unread.
        events[c.DATE].between(first.date().isoformat(), last.date().isoformat()),
        events[c.OCCURRED_AT] >= first,
        events[c.OCCURRED_AT] < last,
    )
    active = under(bought.filter(bought[c.OCCURRED_AT] < at), owners(said, at))
    known = under(bought, owners(said, last))
    spans = known.group_by(c.CUSTOMER).aggregate(latest=known[c.OCCURRED_AT].max())
    stayed = spans.semi_join(active, c.CUSTOMER)
    found = stayed.select(c.CUSTOMER, stayed=stayed.latest >= at).to_pyarrow()
    return dict(zip(*(column.to_pylist() for column in found.columns), strict=True))
