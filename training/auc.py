"""The area under the ROC curve of many customers at once, exactly and without sorting.

A target's place among all items is counted by comparing it with each of them: a few microseconds
for 40,000 items, where sorting them takes milliseconds.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

WORD: Final = 8
"""Bytes that are added at once."""
ADDED: Final = 255
"""Words that are added before a byte overflows."""
COMPARED: Final = 1 << 22
"""Comparisons held at once."""

Scores = NDArray[np.float32]
Floats = NDArray[np.float64]


def padded(values: Scores, customers: NDArray[np.int64], count: int, fill: float) -> Scores:
    """Values of several customers side by side, (customers, most that one has).

    Args:
        values: One customer's after the other's, (values,).
        customers: Whose each is, (values,), ascending.
        count: How many customers there are.
        fill: What stands where a customer has fewer.
    """
    places = places_in(customers, count)
    table = np.full((count, int(places.max(initial=-1)) + 1), np.float32(fill))
    table[customers, places] = values
    return table


def places_in(customers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The place of each row among those of its customer, from 0; customers ascend."""
    firsts = np.searchsorted(customers, np.arange(count))
    return np.arange(len(customers)) - firsts[customers]


def beaten_by(scores: Scores, wanted: Scores) -> Floats:
    """How many scores lie above each wanted one, and half of those that equal it.

    Args:
        scores: (customers, rows); -inf for rows that don't count.
        wanted: (customers, targets); +inf where a customer has fewer, which nothing beats.
    """
    found = np.zeros(wanted.shape)
    width, block = scores.shape[1], WORD * ADDED
    across = -(-width // block) * block
    # As many targets at once as still fit a processor's cache beside the scores.
    size = max(1, COMPARED // max(1, across * len(scores)))
    for first in range(0, wanted.shape[1], size):
        some = wanted[:, first : first + size, None]
        # Often customers are in the order of their targets, and the last ones have no more.
        last = int(np.flatnonzero(np.isfinite(some[:, 0, 0])).max(initial=-1)) + 1
        above = np.empty((last, some.shape[1], across), np.bool_)
        above[:, :, width:] = False
        for compare in (np.greater, np.greater_equal):
            compare(scores[:last, None], some[:last], out=above[:, :, :width])
            found[:last, first : first + size] += _trues(above)
    return found / 2.0


def beaten_by_few(scores: Scores, wanted: Scores) -> Floats:
    """`beaten_by` for tables so small that all pairs are compared at once.

    Args:
        scores: (customers, few); -inf where a customer has fewer.
        wanted: As for `beaten_by`.
    """
    pairs = scores[:, None, :], wanted[:, :, None]
    found = np.greater(*pairs).sum(axis=2) + np.greater_equal(*pairs).sum(axis=2)
    return np.asarray(found / 2.0)


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


def _trues(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many are true along the last axis, whose length is a multiple of `WORD` * `ADDED`.

    Eight bytes are added as one word: ten times as fast as NumPy counts along an axis.
    """
    words = mask.view(np.uint64).reshape(*mask.shape[:-1], -1, ADDED)
    parts = words.sum(axis=-1).view(np.uint8)
    return np.asarray(parts.sum(axis=-1, dtype=np.int64))
