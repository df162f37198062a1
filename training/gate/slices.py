"""Slices of customers that a better model must not leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.definitions.window import DAY_SECONDS
from features.event import EventType
from features.item import Item
from training.heldout import HeldOut, number_of
from training.segments import segments
from training.slices import Mask, slices

QUARTER: Final = 91


def slices_of(held_out: HeldOut, catalogue: Mapping[str, Item] | None) -> dict[str, Mask]:
    """Slice → which of the customers are in it, (customers,): `slices` with segments at T.

    Args:
        held_out: Customers, and what they did before T.
        catalogue: Item id → item; without one there are no categories.
    """
    of_each = dict(zip(held_out.customers, segments(_rhythm(held_out)), strict=True))
    return slices(held_out, catalogue, of_each)


def _rhythm(held_out: HeldOut) -> dict[str, NDArray[np.float64]]:
    """What segments are told by, as the features of the same names."""
    seen, count = held_out.seen, len(held_out.customers)
    today = held_out.at.timestamp() / DAY_SECONDS
    bought = seen.kinds == number_of(EventType.PURCHASE)
    days = np.unique(np.stack([seen.customers[bought], seen.times[bought] // DAY_SECONDS]), axis=1)
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
