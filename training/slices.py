"""Slices of customers, so that a model that is better on average can be seen to be worse for some.

- new, light, heavy: by how many interactions a customer had before T. Who had up to
  `NEW_INTERACTIONS` is new to any model; of the others the third with most is heavy, the rest light
- segment NAME: as `training.segments` tells them, where the caller knows them
- category NAME: those who bought most of one of the most common broadest categories; of equally
  many the first by name
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.event import EventType
from features.item import Item
from training.heldout import HeldOut, number_of

NEW_INTERACTIONS: Final = 3
"""A customer with at most so many interactions is new to the model."""
HEAVY: Final = 2 / 3
"""Heavy customers are those above this quantile of interactions among all who aren't new."""
CATEGORIES: Final = 5
"""The most common favourite categories, each a slice."""

Mask = NDArray[np.bool_]


def slices(
    held_out: HeldOut,
    catalogue: Mapping[str, Item] | None = None,
    segments: Mapping[str, str] | None = None,
) -> dict[str, Mask]:
    """Slice → which customers are in it, (customers,); only slices that somebody is in.

    Args:
        held_out: Whose customers they are; those of an evaluation by `HeldOut.of`.
        catalogue: Item id → item; without one there are no categories.
        segments: Customer key → segment.
    """
    counts = held_out.seen.lengths
    new = counts <= NEW_INTERACTIONS
    many = np.quantile(counts[~new], HEAVY) if (~new).any() else 0.0
    found = {"new": new, "light": ~new & (counts <= many), "heavy": ~new & (counts > many)}
    if segments is not None:
        of_each = [segments.get(customer, "") for customer in held_out.customers]
        found |= _labelled("segment", np.array(of_each), None)
    if catalogue is not None:
        found |= _labelled("category", _favourites(held_out, catalogue), CATEGORIES)
    return {name: mask for name, mask in found.items() if mask.any()}


def _labelled(kind: str, labels: NDArray[np.str_], most: int | None) -> dict[str, Mask]:
    """One slice a label, the most common first and ties by name; "" is none."""
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    common = names[np.lexsort((names, -counts))][:most].tolist()
    return {f"{kind} {name}": labels == name for name in common}


def _favourites(held_out: HeldOut, catalogue: Mapping[str, Item]) -> NDArray[np.str_]:
    """The broadest category that each customer bought most of, (customers,); "" where none."""
    known = [catalogue.get(item) for item in held_out.items]
    broadest = [item.categories[0] if item and item.categories else "" for item in known]
    names, numbers = np.unique(np.array(["", *broadest]), return_inverse=True)
    seen, people = held_out.seen, len(held_out.customers)
    category = numbers[1:][seen.items]
    bought = (seen.kinds == number_of(EventType.PURCHASE)) & (category > 0)
    counts = np.bincount(
        seen.customers[bought] * len(names) + category[bought], minlength=people * len(names)
    )
    # "" sorts first and is counted for nobody, so that it wins only where nothing else is there.
    return np.asarray(names[counts.reshape(people, len(names)).argmax(axis=1)])
