"""The area under the ROC curve of many customers at once, exactly.

A target's place among all items is counted by comparing it with each of them: a few microseconds
for 40,000 items, where sorting them takes most of a millisecond. Only a customer with so many
targets that sorting pays has the scores sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

WORD: Final = 8
"""Bytes that are added at once."""
ADDED: Final = 255
"""Words that are added before a byte overflows."""
COMPARED: Final = 1 << 20
"""Comparisons held at once: 1 MiB, which still fits a processor's cache."""
MANY: Final = 100
"""From more targets on, sorting a customer's scores is quicker than comparing them with each."""
BITS: Final = 32
"""Of a score."""

Scores = NDArray[np.float32]
Floats = NDArray[np.float64]


def beaten_by(scores: Scores, values: Scores, customers: NDArray[np.int64]) -> Floats:
    """How many of a customer's scores lie above each value, and half of those that equal it.

    Args:
        scores: (customers, rows); -inf for rows that don't count.
        values: Of targets, finite, (targets,).
        customers: Whose each is, (targets,), ascending. It is quickest when no customer has more
            targets than the one before.

    Returns:
        (targets,).
    """
    starts = np.searchsorted(customers, np.arange(len(scores) + 1))
    many = np.diff(starts) > MANY
    found = np.empty(len(values))
    for customer in np.flatnonzero(many):
        own = slice(starts[customer], starts[customer + 1])
        ordered = np.sort(scores[customer])
        sides = (np.searchsorted(ordered, values[own], side) for side in ("left", "right"))
        found[own] = len(ordered) - sum(sides) / 2.0
    few = ~many[customers]
    found[few] = _compared(scores, values[few], customers[few])
    return found


def beaten_by_few(
    values: Scores, customers: NDArray[np.int64], scores: Scores, owners: NDArray[np.int64]
) -> Floats:
    """`beaten_by` where each customer has few scores, for any number of customers at once.

    Args:
        values: As for `beaten_by`.
        customers: The same.
        scores: Finite, (scores,).
        owners: Whose each score is, (scores,).
    """
    among, sought = np.sort(_ordered(scores, owners)), _ordered(values, customers)
    ends = np.searchsorted(among, (customers + 1) << BITS)
    above, equal = (np.searchsorted(among, sought, side) for side in ("right", "left"))
    return np.asarray(ends - (above + equal) / 2.0)


def auc(beaten: Floats, targets: NDArray[np.int64], items: NDArray[np.int64]) -> Floats:
    """How often a target scores above an item that is none, ties counted half.

    The area under the ROC curve of one customer (Mann & Whitney, 1947; Rendle et al., "BPR", 2009).

    Args:
        beaten: Sum over each customer's targets of what beats them among the items that may come
            to that customer, targets too, as `beaten_by` counts; (customers,).
        targets: How many targets may come to each customer, (customers,).
        items: How many items may, targets too, (customers,).

    Returns:
        0 to 1, (customers,); NaN without a target or without another item.
    """
    # Of two targets one beats the other, or each does by half; and each is beaten by itself so.
    by_others = beaten - targets**2 / 2.0
    pairs = (targets * (items - targets)).astype(np.float64)
    share = np.full(len(pairs), np.nan)
    np.divide(by_others, pairs, out=share, where=pairs > 0)
    return 1.0 - share


def _compared(scores: Scores, values: Scores, customers: NDArray[np.int64]) -> Floats:
    """`beaten_by`, by comparing each value with all of the customer's scores."""
    starts = np.searchsorted(customers, np.arange(len(scores) + 1))
    lengths, places = np.diff(starts), np.arange(len(values)) - starts[customers]
    deepest = int(lengths.max(initial=0))
    # What is greater than the float below a value is at least the value.
    bars = np.full((len(scores), deepest, 2), np.float32(np.inf))
    bars[customers, places, 0] = values
    bars[customers, places, 1] = np.nextafter(values, np.float32(-np.inf))
    bars = bars.reshape(len(scores), 2 * deepest, 1)
    words = -(-scores.shape[1] // (WORD * ADDED))
    across = words * WORD * ADDED
    above = np.zeros(max(across, COMPARED), np.bool_)
    trues = np.empty((len(scores), 2 * deepest, words), np.uint64)
    for people, some in _together(lengths, len(above) // across):
        asked = bars[people, some]
        there = above[: asked.size * across].reshape(*asked.shape[:2], across)
        np.greater(scores[people, None], asked, out=there[:, :, : scores.shape[1]])
        # Eight bytes are added as one word: ten times as fast as NumPy counts along an axis.
        added = there.view(np.uint64).reshape(*asked.shape[:2], words, ADDED)
        added.sum(axis=-1, out=trues[people, some])
    parts = trues.view(np.uint8).reshape(len(scores), deepest, 2 * words * WORD)
    return np.asarray(parts.sum(axis=-1, dtype=np.int64)[customers, places] / 2.0)


def _together(lengths: NDArray[np.int64], most: int) -> Iterator[tuple[slice, slice]]:
    """Which customers and which of their bars, two a target, are compared at once.

    Args:
        lengths: Targets of each customer, (customers,).
        most: Customers times bars.

    Yields:
        Slices of customers and of bars, which hold every bar that a customer has.
    """
    first = 0
    while first < len(lengths):
        bars = 2 * int(lengths[first:].max())
        if not bars:
            return
        last = first + max(1, most // bars)
        for start in range(0, bars, most):
            yield slice(first, last), slice(start, min(start + most, bars))
        first = last


def _ordered(values: Scores, customers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers in the order of the customers and then of the values, equal where both are.

    The bits of two floats are ordered as the floats are, backwards below zero.
    """
    bits = (values + np.float32(0)).view(np.int32).astype(np.int64)  # -0.0 + 0.0 is 0.0
    lowest = np.int64(np.iinfo(np.int32).min)
    return (customers << BITS) + np.where(bits < 0, lowest - bits, bits) - lowest
