"""Held-out time: what each customer had done before T, and bought after it.

All of it is columns, so that customers are scored, ranked and compared by the block and not one by
one; histories and targets as objects are made for those who ask for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.event import EventType
from features.profile import History, Interaction
from serving.model.basket import KINDS, Baskets, baskets_of_counts
from training.rows import Rows

NEVER: Final = -np.inf
"""When something happened that did not."""


@dataclass(frozen=True, eq=False)
class Seen(Rows):
    """The interactions that a profile keeps, each customer's oldest first.

    Attributes:
        kinds: The place in `KINDS` of what happened, uint8 (rows,).
        times: When, whole seconds since 1970, int64 (rows,).
    """

    kinds: NDArray[np.uint8]
    times: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Traded(Rows):
    """Items that went to a customer or came back, ascending; one row an item.

    Attributes:
        bought: When last, seconds since 1970 or `NEVER`, float64 (rows,).
        returned: The same of returns.
    """

    bought: NDArray[np.float64]
    returned: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Wanted(Rows):
    """Items that a customer bought in held-out time, ascending; one row an item.

    Attributes:
        spend: Money paid for it in that time; 0 where events bear none. float64 (rows,).
    """

    spend: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Customers with history before T and a target after it: what models are judged on.

    Attributes:
        at: T, aware.
        until: T + H, aware.
        customers: Customer keys, ascending.
        items: Id of each item that they dealt with, ascending; columns bear its place here.
        seen: What each did strictly before T, folded as profiles are.
        traded: What each had bought and returned by then, folded as profiles are.
        wanted: What each bought in [T, T + H).
    """

    at: datetime
    until: datetime
    customers: tuple[str, ...]
    items: tuple[str, ...]
    seen: Seen
    traded: Traded
    wanted: Wanted

    def rows(self, index: Mapping[str, int]) -> NDArray[np.int64]:
        """The row of each item in a bundle, (items,); -1 where the bundle does not know it.

        Args:
            index: Item id → row of the bundle.
        """
        found = map(index.get, self.items, repeat(-1))
        return np.fromiter(found, np.int64, len(self.items))

    def baskets(self, index: Mapping[str, int]) -> Baskets:
        """What a bundle knows of the customers, as of T.

        Args:
            index: Item id → row of the bundle.
        """
        return self.baskets_at(self.rows(index), len(index))

    def baskets_at(self, rows: NDArray[np.int64], count: int) -> Baskets:
        """The same for who knows the rows already.

        Args:
            rows: Of each item in the bundle, from `rows`.
            count: How many rows the bundle has.
        """
        of_each = rows[self.seen.items]
        known = self.seen.where(of_each >= 0)
        ages = np.maximum(self.at.timestamp() - known.times.astype(np.float64), 0.0)
        in_bundle = of_each[of_each >= 0].astype(np.int32)
        return Baskets(known.starts, in_bundle, known.kinds, ages, count)

    @cached_property
    def had_before(self) -> NDArray[np.int64]:
        """The row of `traded` with the same customer and item as each of `wanted`, or -1."""
        had, wanted = (
            one.customers * len(self.items) + one.items for one in (self.traded, self.wanted)
        )
        places = np.searchsorted(had, wanted)
        known = places < len(had)
        known[known] = had[places[known]] == wanted[known]
        return np.where(known, places, -1)

    def picked(self, places: NDArray[np.int64]) -> HeldOut:
        """Some of the customers.

        Args:
            places: Their places among all, ascending.
        """
        return replace(
            self,
            customers=tuple(self.customers[place] for place in places),
            seen=self.seen.picked(places),
            traded=self.traded.picked(places),
            wanted=self.wanted.picked(places),
        )

    def of(self, customers: Sequence[str]) -> HeldOut:
        """Those customers alone, ascending, like the customers of an evaluation."""
        place = {customer: number for number, customer in enumerate(self.customers)}
        return self.picked(np.array([place[customer] for customer in customers], np.int64))

    @cached_property
    def targets(self) -> tuple[frozenset[str], ...]:
        """The items that each customer bought in held-out time."""
        names = [self.items[item] for item in self.wanted.items]
        return tuple(frozenset(names[a:b]) for a, b in pairwise(self.wanted.starts.tolist()))

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """What ranking reads of each customer's past, as profiles hold it.

        An interaction's `event` is its number here, and its `quantity` and the history's `latest`
        are left out: no ranking reads them.
        """
        seen = self.seen
        columns = (seen.times, np.arange(len(seen.times)), seen.items, seen.kinds)
        interactions = [
            Interaction(at, number, self.items[item], KINDS[kind])
            for at, number, item, kind in zip(*(one.tolist() for one in columns), strict=True)
        ]
        return tuple(
            History(interactions=tuple(interactions[start:end]), bought=bought, returned=returned)
            for (start, end), bought, returned in zip(
                pairwise(seen.starts.tolist()),
                self._moments(self.traded.bought),
                self._moments(self.traded.returned),
                strict=True,
            )
        )

    def _moments(self, moments: NDArray[np.float64]) -> list[dict[str, int]]:
        """Item id → when, of each customer."""
        happened = moments > NEVER
        times = moments[happened].astype(np.int64).tolist()
        known = self.traded.where(happened)
        pairs = list(zip((self.items[item] for item in known.items), times, strict=True))
        return [dict(pairs[start:end]) for start, end in pairwise(known.starts.tolist())]


def held_out_of(
    before: csr_array[Any, Any],
    after: csr_array[Any, Any],
    customers: Sequence[str],
    items: Sequence[str],
    span: tuple[datetime, datetime],
) -> HeldOut:
    """Held-out time that did not come from a lake, like a published benchmark split.

    Args:
        before: How often each customer bought each item by T, whole numbers, (customers, items);
            all at T itself.
        after: The same of held-out time.
        customers: Of each row, ascending.
        items: Of each column, ascending.
        span: T and T + H, aware.
    """
    at = int(span[0].timestamp())
    baskets = baskets_of_counts(before)
    owned = np.full(before.nnz, float(at))
    nothing = np.full(before.nnz, NEVER)
    return HeldOut(
        at=span[0],
        until=span[1],
        customers=tuple(customers),
        items=tuple(items),
        seen=Seen(baskets.starts, baskets.rows, baskets.kinds, np.full(len(baskets.rows), at)),
        traded=Traded(*_cells(before), owned, nothing),
        wanted=Wanted(*_cells(after), np.zeros(after.nnz)),
    )


def thinned(held_out: HeldOut, most: int) -> HeldOut:
    """At most so many of the customers, evenly spread over their keys."""
    return held_out.picked(spread(len(held_out.customers), most))


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of the places 0 to `count` - 1, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def number_of(kind: EventType) -> int:
    """How columns number what happened."""
    return KINDS.index(kind)


def _cells(matrix: csr_array[Any, Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
