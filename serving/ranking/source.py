"""Where the best rows of some customers come from: a look at all scores, or a shorter way to them.

Whichever way is taken, the rows are the same. What tells nearly equal scores apart is computed for
each customer alone, so that they are also the same whoever else is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from serving.model.longest import Among
from serving.model.tastes import Tastes
from serving.model.ways import Alike, Few, Inner, Mixed
from serving.ranking.eligible import Eligible, Mask
from serving.ranking.top import EMPTY, Rows, Scores, best_rows
from serving.ranking.view import ItemView

MARGIN: Final = 16
"""So many more rows than wanted are told apart to the last bit."""


class Source(Protocol):
    """Scores of some customers, and which rows may come to each."""

    def __len__(self) -> int:
        """How many customers there are."""
        ...

    def best(self, customers: Rows, count: int) -> Rows:
        """The best rows of some customers that may come: by score, then by rank.

        Args:
            customers: Their numbers, ascending.
            count: How many are wanted.

        Returns:
            (customers, at most `count`), best first, `EMPTY` where a customer has no more.
        """
        ...

    def of(self, customers: Rows, rows: Rows) -> Scores:
        """The scores of some rows, (customers, rows); -inf where one may not come."""
        ...

    def position(self, customer: int, row: int) -> int:
        """Where a row that may come stands, from 1."""
        ...


class Dense:
    """All scores.

    Args:
        view: Of the rows.
        opened: (customers, rows): finite, or -inf for a row that may not come.
        tastes: What the scores are, to the bit; they are themselves when None.
        places: The numbers of these customers there.
    """

    def __init__(
        self,
        view: ItemView,
        opened: Scores,
        tastes: Tastes | None = None,
        places: Sequence[int] = (),
    ) -> None:
        self._view = view
        self._opened = opened
        self._tastes = tastes
        self._places = places

    def __len__(self) -> int:
        return len(self._opened)

    def best(self, customers: Rows, count: int) -> Rows:
        """The best rows, told apart to the bit where they are no ties by rank."""
        view, scores = self._view, self._some(customers)
        if self._tastes is None:
            return best_rows(scores, view.rank, view.by_rank, count)
        rows = best_rows(scores, view.rank, view.by_rank, count + MARGIN)
        near = [of_one[of_one != EMPTY] for of_one in rows]
        return _ordered(self._tastes, [self._places[c] for c in customers], near, (view, count))

    def of(self, customers: Rows, rows: Rows) -> Scores:
        """The scores of some rows."""
        return self._some(customers)[:, rows]

    def position(self, customer: int, row: int) -> int:
        """Where a row stands."""
        return _position(self._opened[customer], row, self._view)

    def _some(self, customers: Rows) -> Scores:
        every = len(customers) == len(self._opened)
        return self._opened if every else self._opened[customers]


@dataclass(frozen=True, eq=False)
class Those:
    """Some of the customers whom a model tells something.

    Attributes:
        eligible: Rows that may come to anybody.
        places: The customers' numbers there.
        closed: Rows that may not come to each.
    """

    eligible: Eligible
    places: Sequence[int]
    closed: Sequence[Rows]


class Searched:
    """Inner products, of which the greatest are found among the longest vectors.

    Args:
        those: The customers.
        tastes: Of these and others.
        inner: What their scores are products of.
    """

    def __init__(self, those: Those, tastes: Tastes, inner: Inner) -> None:
        self._those = those
        self._tastes = tastes
        self._vectors = inner.vectors[list(those.places)]
        self._factors = inner.items.factors
        self._among: Among = those.eligible.among(inner.items)

    def __len__(self) -> int:
        return len(self._those.places)

    def best(self, customers: Rows, count: int) -> Rows:
        """The best rows."""
        view = self._those.eligible.view
        count = min(count, len(view.items))
        if not count:
            return np.empty((len(customers), 0), np.int64)
        near = self._among.best(
            self._vectors[customers],
            [self._those.closed[customer] for customer in customers],
            count,
        )
        places = [self._those.places[customer] for customer in customers]
        return _ordered(self._tastes, places, near, (view, count))

    def of(self, customers: Rows, rows: Rows) -> Scores:
        """The scores of some rows."""
        scores: Scores = self._vectors[customers] @ self._factors[rows].T
        scores[:, ~self._those.eligible.mask[rows]] = -np.inf
        for place, customer in enumerate(customers.tolist()):
            scores[place, np.isin(rows, self._those.closed[customer])] = -np.inf
        return scores

    def position(self, customer: int, row: int) -> int:
        """Where a row stands."""
        scores = self._factors @ self._vectors[customer]
        scores[self._those.eligible.never] = -np.inf
        scores[self._those.closed[customer]] = -np.inf
        return _position(scores, row, self._those.eligible.view)


class Blended:
    """Scores that several models make up, of which the greatest are found by what bounds them.

    Args:
        those: The customers.
        tastes: Of these and others.
        mixed: The same, as what finds the greatest.
    """

    def __init__(self, those: Those, tastes: Tastes, mixed: Mixed) -> None:
        self._those = those
        self._tastes = tastes
        self._mixed = mixed

    def __len__(self) -> int:
        return len(self._those.places)

    def best(self, customers: Rows, count: int) -> Rows:
        """The best rows."""
        view = self._those.eligible.view
        count = min(count, len(view.items))
        if not count:
            return np.empty((len(customers), 0), np.int64)
        places = [self._those.places[customer] for customer in customers.tolist()]
        near = [
            self._mixed.near(place, self._allowed(customer), count)
            for place, customer in zip(places, customers.tolist(), strict=True)
        ]
        return _ordered(self._tastes, places, near, (view, count))

    def of(self, customers: Rows, rows: Rows) -> Scores:
        """The scores of some rows."""
        return np.stack([self._row(customer, rows) for customer in customers.tolist()])

    def position(self, customer: int, row: int) -> int:
        """Where a row stands."""
        every = np.arange(len(self._those.eligible.mask))
        return _position(self._row(customer, every), row, self._those.eligible.view)

    def _allowed(self, customer: int) -> Mask:
        allowed = self._those.eligible.mask.copy()
        allowed[self._those.closed[customer]] = False
        return allowed

    def _row(self, customer: int, rows: Rows) -> Scores:
        scores = self._mixed.rough(self._those.places[customer], rows)
        scores[~self._allowed(customer)[rows]] = -np.inf
        return scores


class Sparse:
    """Scores that are 0 but for few rows: the others come by rank, behind what is above 0.

    Args:
        those: The customers.
        few: Of these and others.
    """

    def __init__(self, those: Those, few: Few) -> None:
        self._those = those
        self._few = few

    def __len__(self) -> int:
        return len(self._those.places)

    def best(self, customers: Rows, count: int) -> Rows:
        """The best rows."""
        found = np.full((len(customers), min(count, len(self._those.eligible.view.items))), EMPTY)
        for place, customer in enumerate(customers.tolist()):
            rows = self._best(customer, found.shape[1])
            found[place, : len(rows)] = rows
        return found

    def of(self, customers: Rows, rows: Rows) -> Scores:
        """The scores of some rows."""
        return np.stack([self._row(customer)[rows] for customer in customers.tolist()])

    def position(self, customer: int, row: int) -> int:
        """Where a row stands."""
        return _position(self._row(customer), row, self._those.eligible.view)

    def _best(self, customer: int, count: int) -> Rows:
        """The best rows of one."""
        rows, scores = self._few.of(self._those.places[customer])
        closed, view = self._those.closed[customer], self._those.eligible.view
        known = np.zeros(len(self._those.eligible.mask), np.bool_)
        known[closed] = True
        told = self._those.eligible.mask[rows] & ~known[rows]
        known[rows] = True
        rows, scores = rows[told], scores[told]
        if np.count_nonzero(scores > 0) < count:
            # What is told or closed takes at most so many of the first by rank.
            silent = self._those.eligible.by_rank[: count + np.count_nonzero(known)]
            silent = silent[~known[silent]][:count]
            rows = np.concatenate([rows, silent])
            scores = np.concatenate([scores, np.zeros(len(silent), np.float32)])
        if count < len(rows):
            near = scores >= np.partition(scores, len(scores) - count)[len(scores) - count]
            rows, scores = rows[near], scores[near]
        return np.asarray(rows[np.lexsort((view.rank[rows], -scores))[:count]])

    def _row(self, customer: int) -> Scores:
        """All scores of one customer, (rows,); -inf where one may not come."""
        scores = self._few.dense(self._those.places[customer]).copy()
        scores[self._those.eligible.never] = -np.inf
        scores[self._those.closed[customer]] = -np.inf
        return scores


class Told:
    """What a model tells some customers; all scores are computed once, if at all.

    Args:
        tastes: Of these customers.
        exhaustive: Whether all scores are looked at, whatever shorter way there is.
    """

    def __init__(self, tastes: Tastes, *, exhaustive: bool = False) -> None:
        self.tastes = tastes
        self._exhaustive = exhaustive

    @cached_property
    def scores(self) -> Scores:
        """(customers, items)."""
        return self.tastes.scores()

    def short_way(self, those: Those) -> Source | None:
        """Scores of some of the customers without a look at all of them, where there is a way."""
        way = None if self._exhaustive else self.tastes.way()
        if isinstance(way, Inner):
            return Searched(those, self.tastes, way)
        if isinstance(way, Few):
            return Sparse(those, way)
        if way is None or isinstance(way, Alike):
            return None
        return Blended(those, self.tastes, way)


def _ordered(
    tastes: Tastes, places: Sequence[int], near: Sequence[Rows], wanted: tuple[ItemView, int]
) -> Rows:
    """The best of some rows of each customer, by what they score to the bit.

    Args:
        tastes: Tell that.
        places: The customers' numbers there.
        near: Rows of each.
        wanted: The view, and how many rows.
    """
    view, count = wanted
    best = np.full((len(near), min(count, len(view.items))), EMPTY)
    for number, (place, rows) in enumerate(zip(places, near, strict=True)):
        order = np.lexsort((view.rank[rows], -tastes.at(place, rows)))[:count]
        best[number, : len(order)] = rows[order]
    return best


def _position(scores: Scores, row: int, view: ItemView) -> int:
    ties = (scores == scores[row]) & (view.rank < view.rank[row])
    return int(np.count_nonzero(scores > scores[row]) + np.count_nonzero(ties)) + 1
