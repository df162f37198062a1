"""Small bundles, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from features.event import Event, EventType
from features.profile import History, history_of
from serving.model.arrays import Array
from serving.model.basket import KINDS, Baskets
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.manifest import DataFacts, Param
from serving.model.weighting import Weighting

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOMEBODY = "ck_" + "0" * 32
FACTS = DataFacts(as_of=NOW, events=3, customers=2, items=3, interactions=3, checksum="00")


def bundle_of(
    algorithm: str = "popularity",
    items: tuple[str, ...] = ("apple", "bread", "crème"),
    params: Mapping[str, Param] | None = None,
    arrays: Mapping[str, Array] | None = None,
) -> Bundle:
    """A bundle in which earlier items are more popular, unless told otherwise."""
    popularity = np.arange(len(items), 0, -1, dtype=np.float32)
    return make_bundle(
        algorithm=algorithm,
        params=params or {},
        weighting=Weighting(half_life_days=None),
        items=items,
        arrays={POPULARITY: popularity, **(arrays or {})},
        data=FACTS,
        created_at=NOW,
    )


def event(
    item: str, *, at: datetime = NOW, kind: EventType = EventType.PURCHASE, number: int = 0
) -> Event:
    """One thing that somebody did; a number tells it from others like it."""
    name = f"{item}-{kind}-{at.timestamp()}-{number}"
    return Event(id=name, type=kind, customer=SOMEBODY, occurred_at=at, item=item)


def history(*events: Event) -> History:
    """What somebody did."""
    return history_of(events)


def purchases(*customers: Mapping[int, int], items: int) -> Baskets:
    """Baskets of customers who bought rows just now, so many times each."""
    rows = [row for customer in customers for row, times in customer.items() for _ in range(times)]
    ends = np.cumsum([0, *(sum(customer.values()) for customer in customers)])
    kinds = np.full(len(rows), KINDS.index(EventType.PURCHASE), np.uint8)
    return Baskets(ends, np.array(rows, np.int32), kinds, np.zeros(len(rows)), items)
