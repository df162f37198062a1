"""Warming up: a new snapshot answers made-up customers before it answers real ones.

The first question touches every page of a bundle's arrays, fills caches and starts the BLAS; nobody
should wait for that. And what can't answer a question at all is noticed before it is in place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Final

import numpy as np

from features.event import Event, EventType
from features.profile import Profile, history_of
from serving.fallback import Question, choose, rank
from serving.ranking.columns import microseconds
from serving.snapshot import Snapshot

WARM_SECONDS: Final = 1.0
"""How long it may take, once every block was asked: with a million items its first question makes
what all later ones are answered with, and takes longer than a template can wait."""
CUSTOMERS: Final = (1, 8)
"""How many are scored at once: one, and some."""
_ITEMS: Final = 50


def warm_up(snapshot: Snapshot, now: datetime, seconds: float = WARM_SECONDS) -> int:
    """Answer made-up customers in each block.

    Args:
        snapshot: What is to answer.
        now: The moment of asking, aware.
        seconds: How long it may take; every block is asked once.

    Returns:
        How many were answered.
    """
    until, answered = time.monotonic() + seconds, 0
    customers = [None, *_customers(snapshot, now)]
    for count, block in product(CUSTOMERS, snapshot.blocks.values()):
        if count > 1 and time.monotonic() >= until:
            break
        asked = [Question(block, block.size, now, profile=one) for one in customers[-count:]]
        for question, ranked in zip(asked, rank(snapshot, asked), strict=True):
            choice = choose(snapshot, question, ranked)
            if snapshot.catalogue is not None:
                items = [pick.item for pick in choice.picks]
                snapshot.catalogue.ready(items, microseconds(now))
            answered += 1
    return answered


def _customers(snapshot: Snapshot, now: datetime) -> Iterator[Profile]:
    """Made-up customers, who bought items from all over the bundle."""
    if snapshot.model is None:
        return
    items = snapshot.model.bundle.items
    rows = np.linspace(0, len(items) - 1, _ITEMS * CUSTOMERS[-1]).astype(int)
    for number in range(CUSTOMERS[-1]):
        key = f"ck_{number:032x}"
        bought = dict.fromkeys(items[row] for row in rows[number :: CUSTOMERS[-1]].tolist())
        events = [
            Event(
                id=f"{key}/{days}",
                type=EventType.PURCHASE,
                customer=key,
                occurred_at=now - timedelta(days=days),
                item=item,
            )
            for days, item in enumerate(bought, start=1)
        ]
        yield Profile(key, history_of(events))
