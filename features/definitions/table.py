"""All features side by side, as of T: what models are trained on and scored with."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import datetime
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

import pyarrow as pa

from features import columns as c
from features.definitions import (
    category_affinity,
    email_engagement,
    frequency,
    inter_purchase,
    monetary,
    recency,
    season,
    tenure,
    trend,
)
from features.definitions.window import before
from features.engine import declared, open_engine
from features.errors import InvalidArgument
from features.lake import Lake

if TYPE_CHECKING:
    import ibis

DEFINITIONS: tuple[ModuleType, ...] = (
    recency,
    frequency,
    monetary,
    tenure,
    inter_purchase,
    email_engagement,
    category_affinity,
    trend,
    season,
)
FEATURES: tuple[str, ...] = tuple(name for one in DEFINITIONS for name in one.NAMES)
DECIMALS = 6
"""Features are rounded to so many, below which the order of summation would show."""


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:
    """All definitions joined: `customer`, then `FEATURES`, one row a customer, no null.

    Every definition covers the same customers: those with any event before `as_of`.
    """
    each = [one.define(events, items, as_of) for one in DEFINITIONS]
    joined = reduce(lambda left, right: left.inner_join(right, c.CUSTOMER), each)
    return joined.select(
        c.CUSTOMER, **{name: joined[name].cast("float64").round(DECIMALS) for name in FEATURES}
    )


def feature_table(lake: Lake, as_of: datetime, version: int | None = None) -> pa.Table:
    """Features of everybody with any event before `as_of`, in the order of customer keys.

    Args:
        lake: Holds the events and the items.
        as_of: T, aware. Only events with `occurred_at < as_of` are looked at.
        version: Of the table of events; the newest without one. The catalogue is the newest.

    Returns:
        `customer` (string) and `FEATURES` (float64, finite, never null).

    Raises:
        InvalidArgument: `as_of` has no time zone.
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    if as_of.tzinfo is None:
        cure = "give a moment with its zone, like 2017-11-05T00:00:00Z"
        raise InvalidArgument.of(as_of, field="as_of", reason="no time zone", cure=cure)
    with TemporaryDirectory(prefix="homing-") as spill, ExitStack() as stack:
        engine = open_engine(spill=Path(spill))
        stack.enter_context(closing(engine.con))
        stack.enter_context(declared(lake.root))
        events = before(lake.events(engine, version), as_of)
        # Read the files once, not once for each definition.
        kept = engine.create_table(
            "past",
            events.select(c.TYPE, c.CUSTOMER, c.OCCURRED_AT, c.ITEM, c.VALUE, c.DATE),
            temp=True,
        )
        table = define(kept, lake.items(engine), as_of).order_by(c.CUSTOMER)
        return table.to_pyarrow()
