"""Why an item was recommended: which items of the history speak for it, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.event import EventType
from features.profile import Spoken
from serving.model.basket import KINDS, Baskets
from serving.model.weighting import Weighting


class Shares(NamedTuple):
    """What each item of one history adds to the score of each of some recommended items.

    Attributes:
        items: Rows of the history's items, int32 (items,), ascending.
        values: What each adds, float32 (recommended, items); negative speaks against.
    """

    items: NDArray[np.int32]
    values: NDArray[np.float32]


class Reason(NamedTuple):
    """One item of the history that speaks for a recommended item.

    Attributes:
        row: Of the item.
        kind: What the customer did with it that counts most, the latest of those.
        share: Its part of all that speaks for the recommended item, above 0, at most 1.
    """

    row: int
    kind: EventType
    share: float


def no_shares(count: int) -> Shares:
    """Nothing speaks for any of so many recommended items."""
    return Shares(np.empty(0, np.int32), np.empty((count, 0), np.float32))


def joined(
    parts: Sequence[Shares], weights: Sequence[NDArray[np.floating[Any]]], count: int
) -> Shares:
    """The weighed sum of several models' shares in the same recommended items.

    Args:
        parts: One a model; their histories may differ.
        weights: Of each model in each recommended item, (recommended,).
        count: How many items are recommended.
    """
    items = np.unique(np.concatenate([np.empty(0, np.int32), *(part.items for part in parts)]))
    values = np.zeros((count, len(items)), np.float32)
    for part, weight in zip(parts, weights, strict=True):
        values[:, np.searchsorted(items, part.items)] += weight[:, None] * part.values
    return Shares(items, values)


def reasons(
    shares: Shares, baskets: Baskets, weighting: Weighting, most: int = 1
) -> list[tuple[Reason, ...]]:
    """For each recommended item the history's items that speak most for it, the strongest first.

    An item that is in the history itself may be its own reason.

    Args:
        shares: Of the recommended items.
        baskets: The one customer's.
        weighting: Tells which interaction counts most.
        most: Reasons an item.
    """
    done = _Done(baskets, weighting)
    positive = np.maximum(shares.values, 0.0)
    total = positive.sum(axis=1)
    order = np.argsort(-positive, axis=1, kind="stable")[:, :most]
    found: list[tuple[Reason, ...]] = []
    for row, places in enumerate(order):
        spoken = [place for place in places if positive[row, place] > 0]
        found.append(
            tuple(
                Reason(
                    int(shares.items[place]),
                    done.kind(int(shares.items[place]), 0),
                    float(positive[row, place] / total[row]),
                )
                for place in spoken
            )
        )
    return found


def spoken(
    shares: Sequence[Shares], baskets: Baskets, weighting: Weighting, names: Sequence[str]
) -> list[tuple[Spoken | None, ...]]:
    """The first reason for each recommended item of each customer, as profiles store it.

    Args:
        shares: Of the recommended items, one a customer.
        baskets: Of these customers.
        weighting: Tells which interaction counts most.
        names: Item id of each row.
    """
    done = _Done(baskets, weighting)
    found: list[tuple[Spoken | None, ...]] = []
    for customer, (items, values) in enumerate(shares):
        if not len(items):
            found.append((None,) * len(values))
            continue
        places = values.argmax(axis=1)
        above = (values[np.arange(len(values)), places] > 0).tolist()
        rows = items[places].tolist()
        found.append(
            tuple(
                Spoken(done.kind(row, customer), names[row]) if speaks else None
                for row, speaks in zip(rows, above, strict=True)
            )
        )
    return found


class _Done:
    """What customers did with items that counts most when new; the latest of that.

    Args:
        baskets: The customers'.
        weighting: What an interaction counts.
    """

    def __init__(self, baskets: Baskets, weighting: Weighting) -> None:
        self._baskets = baskets
        self._gains = baskets.gains(weighting)
        self._known: dict[tuple[int, int], EventType] = {}

    def kind(self, row: int, customer: int) -> EventType:
        """What a customer did with an item of the history."""
        known = self._known.get((row, customer))
        if known is None:
            known = self._known[row, customer] = self._found(row, customer)
        return known

    def _found(self, row: int, customer: int) -> EventType:
        baskets = self._baskets
        start, end = baskets.starts[customer : customer + 2]
        places = np.flatnonzero(baskets.rows[start:end] == row).tolist()
        best = places[0]
        if len(places) > 1:
            gains, ages = self._gains[start:end], baskets.ages[start:end]
            best = max(places, key=lambda place: (gains[place], -ages[place], place))
        return KINDS[int(baskets.kinds[start + best])]
