"""Which rows a block may show to anybody: worked out once, until a window opens or closes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.model.longest import Among, Longest
from serving.ranking.blocks import Block
from serving.ranking.columns import microseconds
from serving.ranking.view import ItemView

MOST_KINDS: Final = 64
"""Kinds of blocks, by their categories, that are remembered for a view."""

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Eligible:
    """The rows that a block may show to anybody.

    Attributes:
        view: Of all rows.
        mask: Which of them, (rows,); read-only.
    """

    view: ItemView
    mask: Mask
    _among: dict[int, tuple[Longest, Among]] = field(default_factory=dict, repr=False)
    _kinds: dict[object, int] = field(default_factory=dict, repr=False)

    @cached_property
    def never(self) -> Rows:
        """All other rows, ascending."""
        return np.flatnonzero(~self.mask)

    @cached_property
    def by_rank(self) -> Rows:
        """The rows in the order of their ranks."""
        return self.view.by_rank[self.mask[self.view.by_rank]]

    def among(self, items: Longest) -> Among:
        """The rows in the order of the lengths of their vectors."""
        known = self._among.get(id(items))
        if known is None or known[0] is not items:
            known = self._among[id(items)] = items, items.among(self.mask)
        return known[1]

    def kinds(self, what: object, groups: Rows) -> int:
        """How many groups the rows are of; 0 where some are of none.

        Args:
            what: A name for these groups; they are counted once.
            groups: Number of each row's group, -1 for none, (rows,).
        """
        known = self._kinds.get(what)
        if known is None:
            there = np.unique(groups[self.mask])
            known = self._kinds[what] = 0 if np.any(there < 0) else len(there)
        return known


def eligible(view: ItemView, block: Block, now: datetime) -> Eligible:
    """The rows of a view that a block may show: available and of its categories."""
    kind = block.categories, block.exclude_categories
    moment = bisect_right(view.edges, microseconds(now))
    known = view.kept.get(kind)
    if known is not None and known[0] == moment and isinstance(known[1], Eligible):
        return known[1]
    mask = view.available(now)
    if block.categories:
        mask = mask & view.within(block.categories)
    if block.exclude_categories:
        mask = mask & ~view.within(block.exclude_categories)
    mask = mask.view()
    mask.flags.writeable = False
    if len(view.kept) >= MOST_KINDS:
        view.kept.clear()
    found = Eligible(view, mask)
    view.kept[kind] = moment, found
    return found
