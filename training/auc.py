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
    width = scores.shape[1]
    block = WORD * ADDED
    above = np.zeros((len(scores), -(-width // block) * block), np.bool_)
    for place in range(wanted.shape[1]):
        # Often the customers are in the order of their targets, and the last ones have no more.
        last = int(np.flatnonzero(np.isfinite(wanted[:, place])).max(initial=-1)) + 1
        target = wanted[:last, place, None]
        for compare in (np.greater, np.greater_equal):
            compare(scores[:last], target, out=above[:last, :width])
            found[:last, place] += _trues(above[:last])
    return found / 2.0


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
    """How many are true in each row, (rows,); the width is a multiple of `WORD` * `ADDED`.

    Eight bytes are added as one word: ten times as fast as NumPy counts along an axis.
    """
    words = mask.view(np.uint64).reshape(len(mask), -1, ADDED)
    bytes_ = words.sum(axis=2).view(np.uint8)
    return np.asarray(bytes_.sum(axis=1, dtype=np.int64))
