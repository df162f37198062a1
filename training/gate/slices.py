"""Slices of customers that a better model must not leave behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.event import EventType
from features.item import Item
from features.profile import History
from training.segments import segments

NEW_INTERACTIONS: Final = 3
"""A customer with at most so many interactions is new to the model."""
HEAVY: Final = 2 / 3
"""Heavy customers are those above this quantile of interactions among all who aren't new."""
CATEGORIES: Final = 5
"""The most common favourite categories, each a slice."""
SECONDS_A_DAY: Final = 86_400

Mask = NDArray[np.bool_]


def slices_of(
    histories: Sequence[History], at: datetime, catalogue: Mapping[str, Item] | None
) -> dict[str, Mask]:
    """Slice → which of the customers are in it.

    Three slices by how much is known of a customer (`new`, `light`, `heavy`), one a segment, and
    one for each of the most common favourite categories.

    Args:
        histories: One a customer, of what was before `at`.
        at: T, aware.
        catalogue: Item id → item; without one there are no categories.
    """
    counts = np.array([len(one.interactions) for one in histories])
    new = counts <= NEW_INTERACTIONS
    many = np.quantile(counts[~new], HEAVY) if (~new).any() else np.inf
    slices = {"new": new, "light": ~new & (counts <= many), "heavy": ~new & (counts > many)}
    slices |= _of_labels(np.array(segments(_rhythm(histories, at))), None)
    favourites = np.array([_favourite(one, catalogue or {}) for one in histories])
    return slices | _of_labels(favourites, CATEGORIES)


def _of_labels(labels: NDArray[np.str_], most: int | None) -> dict[str, Mask]:
    """One slice a label, the most common first; "" is none."""
    common = Counter(label for label in labels.tolist() if label).most_common(most)
    return {label: labels == label for label, _ in common}


def _favourite(history: History, catalogue: Mapping[str, Item]) -> str:
    """The broadest category that the customer dealt with most; "" where none is known."""
    known = (catalogue.get(seen.item) for seen in history.interactions)
    broadest = Counter(item.categories[0] for item in known if item and item.categories)
    return f"category {broadest.most_common(1)[0][0]}" if broadest else ""


def _rhythm(histories: Sequence[History], at: datetime) -> dict[str, NDArray[np.float64]]:
    """What segments are told by, out of histories: as the features of the same names."""
    today = at.timestamp() / SECONDS_A_DAY
    rows = [_rhythm_of(history, today) for history in histories]
    names = ("recency_days", "purchase_days", "purchase_days_91d", "gap_mean_days", "buying_days")
    columns = np.array(rows, np.float64).reshape(len(rows), len(names)).T
    return dict(zip(names, columns, strict=True))


def _rhythm_of(history: History, today: float) -> tuple[float, ...]:
    days = sorted(
        {
            seen.at // SECONDS_A_DAY
            for seen in history.interactions
            if seen.type is EventType.PURCHASE
        }
    )
    if not days:
        return (np.inf, 0, 0, 0, np.inf)
    gap = (days[-1] - days[0]) / max(1, len(days) - 1)
    lately = sum(day >= today - 91 for day in days)
    return (today - days[-1], len(days), lately, gap, today - days[0])
