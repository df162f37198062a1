"""Slices of customers that a better model must not leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.event import EventType
from features.item import Item
from training.heldout import HeldOut, number_of
from training.segments import segments

NEW_INTERACTIONS: Final = 3
"""A customer with at most so many interactions is new to the model."""
HEAVY: Final = 2 / 3
"""Heavy customers are those above this quantile of interactions among all who aren't new."""
CATEGORIES: Final = 5
"""The most common favourite categories, each a slice."""
QUARTER: Final = 91
SECONDS_A_DAY: Final = 86_400

Mask = NDArray[np.bool_]


def slices_of(held_out: HeldOut, catalogue: Mapping[str, Item] | None) -> dict[str, Mask]:
    """Slice → which of the customers are in it, (customers,).

    Three slices by how much is known of a customer (`new`, `light`, `heavy`), one a segment, and
    one for each of the most common favourite categories.

    Args:
        held_out: Customers, and what they did before T.
        catalogue: Item id → item; without one there are no categories.
    """
    counts = held_out.seen.lengths
    new = counts <= NEW_INTERACTIONS
    many = np.quantile(counts[~new], HEAVY) if (~new).any() else np.inf
    slices = {"new": new, "light": ~new & (counts <= many), "heavy": ~new & (counts > many)}
    named = np.array(segments(_rhythm(held_out)))
    slices |= {f"segment {name}": named == name for name in sorted(set(named.tolist()))}
    return slices | _favourites(held_out, catalogue or {})


def _favourites(held_out: HeldOut, catalogue: Mapping[str, Item]) -> dict[str, Mask]:
    """Those who dealt most with each of the most common broadest categories."""
    known = [catalogue.get(item) for item in held_out.items]
    labels = [item.categories[0] if item and item.categories else "" for item in known]
    names, numbers = np.unique(np.array([*labels, ""]), return_inverse=True)
    seen = held_out.seen
    cells = seen.customers * len(names) + numbers[seen.items]
    size = len(held_out.customers) * len(names)
    counts = np.bincount(cells, minlength=size).reshape(-1, len(names))
    counts[:, names == ""] = 0
    favourite = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    common = np.bincount(favourite[favourite >= 0], minlength=len(names))
    chosen = np.argsort(-common, kind="stable")[:CATEGORIES]
    return {f"category {names[n]}": favourite == n for n in chosen if common[n]}


def _rhythm(held_out: HeldOut) -> dict[str, NDArray[np.float64]]:
    """What segments are told by, as the features of the same names."""
    seen, count = held_out.seen, len(held_out.customers)
    today = held_out.at.timestamp() / SECONDS_A_DAY
    bought = seen.kinds == number_of(EventType.PURCHASE)
    days = np.unique(
        np.stack([seen.customers[bought], seen.times[bought] // SECONDS_A_DAY]), axis=1
    )
    customers, day = days[0], days[1].astype(np.float64)
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, customers, day)
    np.maximum.at(last, customers, day)
    often = np.bincount(customers, minlength=count)
    lately = np.bincount(customers[day >= today - QUARTER], minlength=count)
    with np.errstate(invalid="ignore"):
        gaps = np.where(often > 1, (last - first) / np.maximum(often - 1, 1), 0.0)
    return {
        "recency_days": today - last,
        "purchase_days": often.astype(np.float64),
        "purchase_days_91d": lately.astype(np.float64),
        "gap_mean_days": gaps,
        "buying_days": today - first,
    }
