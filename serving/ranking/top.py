"""The best rows of several customers' scores, without sorting what nobody will see.

Nothing here goes from customer to customer: one product's worth of scores is looked at by a few
passes over all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

PILE: Final = 64
"""Values of which one maximum is taken."""
EMPTY: Final = -1
"""In place of a row where a slate has ended."""

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]


def best_rows(scores: Scores, rank: Rows, by_rank: Rows, count: int) -> Rows:
    """The best rows of each customer that are not -inf: by score, then by rank.

    Args:
        scores: (customers, rows), none of them NaN.
        rank: Place of each row among equals, (rows,), unique.
        by_rank: The rows in that order.
        count: How many are wanted.

    Returns:
        (customers, at most `count`), best first, `EMPTY` where a customer has no more.
    """
    customers, width = scores.shape
    count = min(count, width)
    if not count:
        return np.empty((customers, 0), np.int64)
    bounds = _bounds(scores, count)
    owners, rows = np.divmod(np.flatnonzero(scores > bounds[:, None]), width)
    missing = count - np.bincount(owners, minlength=customers)
    missing[np.isneginf(bounds)] = 0
    found = [(owners, rows), *_tied(scores, bounds, by_rank, missing)]
    owners, rows = (np.concatenate(side) for side in zip(*found, strict=True))
    return ranked(scores, owners, rows, rank, count)


def ranked(scores: Scores, owners: Rows, rows: Rows, rank: Rows, count: int) -> Rows:
    """The first of some rows of each customer: by score, then by rank.

    Args:
        scores: (customers, rows).
        owners: Number of each row's customer, in any order.
        rows: Unique for a customer.
        rank: As for `best_rows`.
        count: How many are wanted.

    Returns:
        (customers, `count`), best first, `EMPTY` where a customer has no more.
    """
    order = np.lexsort((rank[rows], -scores[owners, rows], owners))
    owners, rows = owners[order], rows[order]
    places = np.arange(len(owners)) - np.searchsorted(owners, np.arange(len(scores)))[owners]
    first = places < count
    best = np.full((len(scores), count), EMPTY)
    best[owners[first], places[first]] = rows[first]
    return best


def _bounds(scores: Scores, count: int) -> Scores:
    """A value for each customer that at most a few more than `count` rows exceed, (customers,).

    As many rows as are wanted exceed it, or else more than that reach it.

    A partition of 40,000 values takes a hundred times as long as a look at them. So the values are
    dealt into piles first: the maxima of `count` + 1 piles reach the bound, so that many rows do,
    and only rows of `count` piles exceed it.
    """
    width = scores.shape[1]
    if width // PILE > count:
        dealt = scores[:, : width // PILE * PILE].reshape(len(scores), PILE, width // PILE)
        scores = dealt.max(axis=1)
    elif width == count:
        return np.full(len(scores), -np.inf, np.float32)
    place = scores.shape[1] - count - 1
    bounds: Scores = np.partition(scores, place, axis=1)[:, place]
    return bounds


def _tied(
    scores: Scores, bounds: Scores, by_rank: Rows, missing: Rows
) -> Iterator[tuple[Rows, Rows]]:
    """As many rows as each customer misses, of those whose score is the bound, the popular first.

    Many may tie: a sparse model is silent about most items, which is a score of 0. Then the first
    few by rank are enough, and no more are looked at.

    Args:
        scores: (customers, rows).
        bounds: (customers,).
        by_rank: Rows in the order of rank.
        missing: How many rows each wants, (customers,); not more than there are.

    Yields:
        Numbers of customers, and a row for each.
    """
    start, depth = 0, PILE
    wanting = np.flatnonzero(missing > 0)
    while len(wanting):
        rows = by_rank[start : start + depth]
        ties = scores[wanting[:, None], rows] == bounds[wanting, None]
        ties &= ties.cumsum(axis=1) <= missing[wanting, None]
        customers, places = np.nonzero(ties)
        yield wanting[customers], rows[places]
        missing = missing - np.bincount(wanting[customers], minlength=len(missing))
        wanting = np.flatnonzero(missing > 0)
        start, depth = start + depth, depth * 4
