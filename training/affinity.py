"""What customers lean to, out of the lake: the categories they buy of, and what is due again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa

from features import columns as c
from features.definitions.category_affinity import CATEGORY, SHARE, shares
from features.definitions.replenishment import OWN_DAYS, due
from features.engine import declared, open_engine
from features.event import EventType
from features.lake import Lake
from features.persons import persons

MOST: Final = 5
"""Categories kept of a customer."""
DECIMALS: Final = 4
"""Of a share."""


@dataclass(frozen=True)
class Due:
    """What a customer is due to buy again: an item, or a category.

    Attributes:
        item: The item's id; None for a category.
        category: The narrowest category; None for an item.
        times: Days on which the customer bought it.
        gap_days: The rhythm.
        since_days: Days since the last purchase of it.
    """

    item: str | None
    category: str | None
    times: int
    gap_days: float
    since_days: float

    @property
    def own(self) -> bool:
        """Whether the rhythm is the customer's own; else it is the typical one of all buyers."""
        return self.times >= OWN_DAYS


@dataclass(frozen=True)
class Leanings:
    """What customers lean to, as of a moment.

    Attributes:
        affinities: Customer key → first category → share of the purchases that have one, the
            greatest first, at most `MOST`. Nobody without such a purchase.
        due: Customer key → what is due again; nobody for whom nothing is.
    """

    affinities: Mapping[str, dict[str, float]]
    due: Mapping[str, Due]


def load_leanings(lake: Lake, as_of: datetime, version: int) -> Leanings:
    """The leanings of everybody in the lake.

    Args:
        lake: Holds the events and the items.
        as_of: T, aware. Only events with `occurred_at < as_of` are looked at.
        version: Of the table of events. The catalogue is the newest.

    Raises:
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    with TemporaryDirectory(prefix="homing-") as spill, ExitStack() as stack:
        engine = open_engine(spill=Path(spill))
        stack.enter_context(closing(engine.con))
        stack.enter_context(declared(lake.root))
        events = persons(lake.events(engine, version), as_of)
        bought = events.filter(events[c.TYPE] == EventType.PURCHASE.value)
        # Read the files once, not once for each question.
        kept = engine.create_table(
            "bought", bought.select(c.TYPE, c.CUSTOMER, c.OCCURRED_AT, c.ITEM), temp=True
        )
        items = lake.items(engine)
        known = engine.create_table("known", items.select(c.ID, c.CATEGORIES), temp=True)
        shared = shares(kept, known, as_of, MOST).to_pyarrow()
        ready = due(kept, known, as_of).to_pyarrow()
    return Leanings(_affinities(shared), _due(ready))


def _affinities(shared: pa.Table) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    columns = (shared.column(name).to_pylist() for name in (c.CUSTOMER, CATEGORY, SHARE))
    for customer, category, share in zip(*columns, strict=True):
        found.setdefault(customer, {})[category] = round(share, DECIMALS)
    return found


def _due(ready: pa.Table) -> dict[str, Due]:
    return {row.pop(c.CUSTOMER): Due(**row) for row in ready.to_pylist()}
