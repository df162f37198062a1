"""Customers as a model sees them: what each did with the items that it knows, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.event import EventType
from features.profile import History
from serving.model.weighting import NEGLIGIBLE, Weighting

KINDS: Final = tuple(EventType)
"""What happened, by the number that baskets keep of it."""
_NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}
PURCHASE: Final = _NUMBERS[EventType.PURCHASE]

_ITEM, _TYPE, _AT = attrgetter("item"), attrgetter("type"), attrgetter("at")

Weights: TypeAlias = csr_array[Any, Any]


@dataclass(frozen=True, eq=False)
class Baskets:
    """Interactions of several customers, one customer after the other.

    Attributes:
        starts: Where each customer's interactions begin in the other columns, and where the last
            one's end, int64 (customers + 1,).
        rows: The item's row in the bundle, int32 (interactions,).
        kinds: The place in `KINDS` of what happened, uint8 (interactions,).
        ages: Seconds ago, from 0, float64 (interactions,).
        items: How many rows the bundle has.
    """

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    ages: NDArray[np.float64]
    items: int
    _weighed: dict[object, Weights] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def customers(self) -> NDArray[np.int64]:
        """The number of each interaction's customer, (interactions,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def weights(self, weighting: Weighting) -> Weights:
        """What each item counts for each customer, float32 (customers, items), positive.

        Rows are in ascending order and the order of interactions makes no difference to a bit.
        Computed once a weighting.
        """
        known = weighting.half_life_days, tuple(weighting.types.items())
        if known not in self._weighed:
            gains = self.gains(weighting)
            faded = gains * np.exp2(-weighting.decay_per_second() * self.ages)
            counted = gains != 0
            self._weighed[known] = _summed(
                self.customers[counted], self.rows[counted], faded[counted], (len(self), self.items)
            )
        return self._weighed[known]

    def gains(self, weighting: Weighting) -> NDArray[np.float64]:
        """What each interaction counted when it was new, (interactions,)."""
        table = np.array([weighting.types.get(kind, 0.0) for kind in KINDS])
        return np.asarray(table[self.kinds])

    def part(self, first: int, last: int) -> Baskets:
        """The customers from `first` to before `last`."""
        begin, end = self.starts[first], self.starts[last]
        return Baskets(
            self.starts[first : last + 1] - begin,
            self.rows[begin:end],
            self.kinds[begin:end],
            self.ages[begin:end],
            self.items,
        )

    def picked(self, customers: NDArray[np.int64]) -> Baskets:
        """Some of the customers, ascending."""
        chosen = np.zeros(len(self), np.bool_)
        chosen[customers] = True
        kept = chosen[self.customers]
        lengths = np.diff(self.starts)[customers]
        return Baskets(
            np.concatenate([[0], np.cumsum(lengths)]),
            self.rows[kept],
            self.kinds[kept],
            self.ages[kept],
            self.items,
        )

    def where(self, kept: NDArray[np.bool_], ago: float = 0.0) -> Baskets:
        """Some of the interactions, as of so many seconds ago.

        Args:
            kept: Which, (interactions,); none of them younger than `ago`.
            ago: Seconds, from 0.
        """
        before = np.concatenate([[0], np.cumsum(kept)])
        return Baskets(
            before[self.starts],
            self.rows[kept],
            self.kinds[kept],
            self.ages[kept] - ago,
            self.items,
        )

    def among(self, customers: NDArray[np.int64], items: NDArray[np.int64]) -> Baskets:
        """Some customers, ascending, and their interactions with some items, ascending."""
        place = np.full(self.items, -1, np.int32)
        place[items] = np.arange(len(items), dtype=np.int32)
        chosen = np.zeros(len(self), np.bool_)
        chosen[customers] = True
        kept = chosen[self.customers] & (place[self.rows] >= 0)
        before = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        lengths = np.diff(before)[customers]
        return Baskets(
            np.concatenate([[0], np.cumsum(lengths)]),
            place[self.rows[kept]],
            self.kinds[kept],
            self.ages[kept],
            len(items),
        )


def baskets_of(histories: Sequence[History], index: Mapping[str, int], now: datetime) -> Baskets:
    """What histories say, as of now.

    Args:
        histories: One a customer; interactions later than `now` count as new.
        index: Item id → row of the bundle; items that are not in it are left out.
        now: Aware.
    """
    seen = [one for history in histories for one in history.interactions]
    rows = np.fromiter(map(index.get, map(_ITEM, seen), repeat(-1)), np.int32, len(seen))
    kinds = np.fromiter(map(_NUMBERS.__getitem__, map(_TYPE, seen)), np.uint8, len(seen))
    times = np.fromiter(map(_AT, seen), np.float64, len(seen))
    ages = np.maximum(now.timestamp() - times, 0.0)
    starts = np.cumsum([0, *(len(history.interactions) for history in histories)])
    every = Baskets(starts, rows, kinds, ages, len(index))
    known = rows >= 0
    return every if known.all() else every.where(known)


def baskets_of_counts(bought: Weights) -> Baskets:
    """Customers who bought each item so many times, just now: what a split without times says.

    Args:
        bought: Whole numbers from 0, (customers, items).
    """
    times = bought.data.astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(times)])
    return Baskets(
        ends[bought.indptr],
        np.repeat(bought.indices, times).astype(np.int32),
        np.full(ends[-1], PURCHASE, np.uint8),
        np.zeros(ends[-1]),
        bought.shape[1],
    )


def _summed(
    customers: NDArray[np.int64],
    rows: NDArray[np.int32],
    weights: NDArray[np.float64],
    shape: tuple[int, int],
) -> Weights:
    """One cell for each customer and item whose sum is not negligible."""
    cells = customers * shape[1] + rows
    order = np.lexsort((weights, cells))
    cells = cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    sums = np.add.reduceat(weights[order], starts) if len(cells) else weights
    kept = sums > NEGLIGIBLE
    cells = cells[starts][kept]
    ends = np.searchsorted(cells, np.arange(shape[0] + 1) * np.int64(shape[1]))
    columns = (cells % max(shape[1], 1)).astype(np.int32)
    return csr_array((sums[kept].astype(np.float32), columns, ends.astype(np.int32)), shape=shape)
