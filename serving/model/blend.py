"""The scorer of a blend: several models' scores, made comparable and added up.

Models score on scales of their own, which differ between customers as well. And what makes an item
worth showing differs between items that a customer has, which may be bought again, and all others.
So among either kind each part's scores of a customer are divided by the greatest of them, x, and
count by the weights that the part has for that kind; so do their square roots, since a score twice
as high seldom makes a purchase twice as likely::

    score(i) = bonus(kind) + sum over parts p of  weight(p, kind) * x_p(i) + root(p, kind) * √x_p(i)
    x_p(i)   = max(score_p(i), 0) / max over items j of that kind of score_p(j)

with `bonus` 0 for new items, and for the others the parameter `again`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from features.event import EventType
from serving.model.basket import Baskets
from serving.model.blend_search import Search
from serving.model.bundle import Bundle
from serving.model.manifest import Part, Say
from serving.model.shares import Shares, joined
from serving.model.tastes import Rows, Tastes
from serving.model.ways import Alike, Few, Inner, Way, among_sorted
from serving.model.weighting import Weighting

ALGORITHM = "blend"
AGAIN = "again"
"""Parameter: what the items that a customer has score beforehand."""

TOGETHER: Final = 1 << 18
"""Scores made comparable at once: a MiB, so that all that is done to them is done in the
processor's cache."""

FEW_CUSTOMERS: Final = 32
"""Up to so many the best are searched for one by one."""
SEEDS: Final = 32
"""So many of each part's best are where a search begins."""

OWNED: Final = Weighting({EventType.PURCHASE: 1.0, EventType.RETURN: -1.0}, half_life_days=None)
"""Tells what a customer has."""

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Cells = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Customer and row of each item that a customer has."""


class PartScorer(Protocol):
    """What a blend asks of its parts; `serving.model.scoring.Scorer`."""

    def tastes(self, baskets: Baskets) -> Tastes:
        """What the part makes of these customers."""
        ...

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """Rows most like this one."""
        ...


class BlendScorer:
    """Scores items by the weighed sum of several models' scores.

    Args:
        bundle: Of that algorithm.
        open_part: Opens the scorer of a part.

    Raises:
        BundleError: It has no part, or one that can't score, or no bonus.
    """

    def __init__(self, bundle: Bundle, open_part: Callable[[Bundle], PartScorer]) -> None:
        parts = bundle.manifest.parts
        if not parts or any(part.algorithm == ALGORITHM for part in parts):
            message = "a blend is made of at least one model, none of them a blend"
            raise BundleError(message)
        self._items = bundle.manifest.items
        self._again = _again(bundle)
        self._parts = parts
        self._scorers = [open_part(bundle.part(number)) for number in range(len(parts))]

    def tastes(self, baskets: Baskets) -> BlendTastes:
        """What the parts make of these customers."""
        parts = [
            (part, scorer.tastes(baskets))
            for part, scorer in zip(self._parts, self._scorers, strict=True)
        ]
        shape = len(baskets), self._items
        return BlendTastes(parts, self._again, owned_cells(baskets), shape)

    def score(self, baskets: Baskets) -> Floats:
        """Scores, (customers, items)."""
        return self.tastes(baskets).scores()

    def similar(self, row: int, count: int) -> tuple[NDArray[np.int64], Floats]:
        """The likes of the part that counts most among new items, of those that know any."""
        weights = np.array([part.new.weight + part.new.root for part in self._parts])
        for place in np.argsort(-weights, kind="stable"):
            rows, scores = self._scorers[place].similar(row, count)
            if len(rows):
                return rows, scores
        return np.empty(0, np.int64), np.empty(0, np.float32)


class BlendTastes:
    """What the parts of a blend make of some customers, together.

    Args:
        parts: What each counts, and what it makes of them.
        again: What items that a customer has score beforehand.
        owned: The cells of these.
        shape: How many customers and items there are.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Part, Tastes]],
        again: float,
        owned: Cells,
        shape: tuple[int, int],
    ) -> None:
        customers, items = shape
        self._parts = parts
        self._again = again
        self._owned = owned
        self._starts = np.searchsorted(owned[0], np.arange(customers + 1))
        self._items = items
        self._peaks = np.empty((0, 0, 2), np.float32)
        self._found: dict[int, _Found] = {}

    def scores(self) -> Floats:
        """Scores, (customers, items)."""
        customers, rows = self._owned
        count = len(self._starts) - 1
        scores = np.zeros((count, self._items), np.float32)
        peaks = np.ones((len(self._parts), count, 2), np.float32)
        had = np.full(len(rows), self._again, np.float32)
        size = max(1, TOGETHER // max(1, self._items))
        for number, (part, tastes) in enumerate(self._parts):
            told = tastes.scores()
            for first in range(0, count, size):
                some = slice(first, first + size)
                cells = slice(*np.searchsorted(customers, (first, first + size)))
                known = comparable(told[some], (customers[cells] - first, rows[cells]))
                _add(scores[some], part.new, known.new)
                _add(had[cells], part.again, known.again)
                peaks[number, some] = known.peaks
        self._peaks = peaks
        scores[self._owned] = had
        return scores

    def at(self, customer: int, rows: Rows) -> NDArray[np.float64]:
        """Scores of some rows of one customer."""
        had = self._had(customer, rows)
        peaks, kind = self._peaks_of(customer), had.astype(np.intp)
        scores = np.where(had, self._again, 0.0)
        for number, (part, tastes) in enumerate(self._parts):
            peak = peaks[number][kind]
            known = np.maximum(tastes.at(customer, rows), 0.0) / peak
            scores += np.where(had, _counted(part.again, known), _counted(part.new, known))
        return scores

    def way(self) -> BlendTastes | None:
        """By what bounds the parts' scores, where all parts know ways.

        For many customers one product is faster, since it reads the items' vectors once for all.
        """
        return None if self._ways is None or len(self._starts) > 1 + FEW_CUSTOMERS else self

    def near(self, customer: int, allowed: Mask, count: int) -> Rows:
        """Rows among which are a customer's best."""
        owned = self._rows_of(customer)
        fresh = allowed.copy()
        fresh[owned] = False
        near = self._found_of(customer).search.near(fresh, count)
        return np.concatenate([near, owned[allowed[owned]]])

    def rough(self, customer: int, rows: Rows) -> Floats:
        """Scores of some rows."""
        scores = self._found_of(customer).search.rough(rows)
        had = self._had(customer, rows)
        scores[had] = self.at(customer, rows[had])
        return scores

    def shares(self, rows: Sequence[Rows]) -> list[Shares]:
        """What each item of a customer's history adds to the scores of some rows.

        A square root is shared out like what it is taken of. What a part without reasons adds
        (popularity), and the bonus of what the customer has, is nobody's share.
        """
        shares = [tastes.shares(rows) for _, tastes in self._parts]
        return [
            self._joined([of_part[customer] for of_part in shares], customer, asked)
            for customer, asked in enumerate(rows)
        ]

    def _joined(self, shares: Sequence[Shares], customer: int, rows: Rows) -> Shares:
        """The parts' shares in some rows of one customer, together."""
        had = self._had(customer, rows)
        peaks, kind = self._peaks_of(customer), had.astype(np.intp)
        times = []
        for number, (part, _) in enumerate(self._parts):
            # A part's score of a row is the sum of its shares.
            peak = peaks[number][kind]
            known = np.maximum(shares[number].values.sum(axis=1), np.float32(0)) / peak
            says = np.where(had, _slope(part.again, known), _slope(part.new, known))
            times.append(np.where(known > 0, says / peak, np.float32(0)))
        return joined(shares, times, len(rows))

    @cached_property
    def _ways(self) -> Sequence[Way] | None:
        """The parts' own; None where one has none."""
        ways = [tastes.way() for _, tastes in self._parts]
        known = [way for way in ways if isinstance(way, Inner | Few | Alike)]
        return known if len(known) == len(ways) else None

    def _rows_of(self, customer: int) -> Rows:
        """The rows that a customer has, ascending."""
        start, end = self._starts[customer : customer + 2]
        return self._owned[1][start:end]

    def _had(self, customer: int, rows: Rows) -> Mask:
        """Which of some rows the customer has."""
        return among_sorted(rows, self._rows_of(customer))

    def _peaks_of(self, customer: int) -> Floats:
        """By what the parts' scores are divided, those of new items and others, (parts, 2)."""
        if self.way() is not None:
            return self._found_of(customer).peaks
        if not len(self._peaks):
            self.scores()
        return self._peaks[:, customer]

    def _found_of(self, customer: int) -> _Found:
        """What is looked for once a customer, where all parts know ways."""
        if customer not in self._found:
            ways, owned = self._ways or (), self._rows_of(customer)
            great = [way.greatest(customer, owned, SEEDS) for way in ways]
            each = [
                [tastes.at(customer, rows).max(initial=0) for rows in (best, owned)]
                for (_, tastes), best in zip(self._parts, great, strict=True)
            ]
            peaks = _above_nothing(np.array(each, np.float32))
            counting = [
                (part.new, way, peak)
                for (part, _), way, peak in zip(self._parts, ways, peaks[:, 0], strict=True)
            ]
            seeds = np.unique(np.concatenate(great))
            self._found[customer] = _Found(peaks, Search(counting, customer, seeds))
        return self._found[customer]


class _Found(NamedTuple):
    """What ways lead to, for one customer.

    Attributes:
        peaks: By what the parts' scores are divided, as `Comparable` has them, (parts, 2).
        search: For the best new items.
    """

    peaks: Floats
    search: Search


def owned_cells(baskets: Baskets) -> Cells:
    """The cells of items that customers have: bought, and not returned."""
    weights = baskets.weights(OWNED)
    customers = np.repeat(np.arange(len(baskets)), np.diff(weights.indptr))
    return customers, weights.indices.astype(np.int64)


class Comparable(NamedTuple):
    """A part's scores from 0 to 1.

    Attributes:
        new: Of new items, (customers, items); 0 for what a customer has.
        again: Of what customers have, one for each of these cells.
        peaks: By what a customer's scores of new items were divided, and those of what the customer
            has, (customers, 2).
    """

    new: Floats
    again: Floats
    peaks: Floats


def comparable(scores: Floats, owned: Cells) -> Comparable:
    """A part's scores from 0 to 1, among new items and among those that customers have.

    Args:
        scores: (customers, items), not changed.
        owned: The cells of items that customers have.
    """
    had: Floats = np.maximum(scores[owned], np.float32(0))
    greatest = np.zeros(len(scores), np.float32)
    np.maximum.at(greatest, owned[0], had)
    new: Floats = np.maximum(scores, np.float32(0))
    new[owned] = 0
    peaks = _above_nothing(np.stack([new.max(axis=1, initial=0), greatest], axis=1))
    had /= peaks[owned[0], 1]
    new /= peaks[:, :1]
    return Comparable(new, had, peaks)


def _above_nothing(greatest: Floats) -> Floats:
    return np.where(greatest > 0, greatest, np.float32(1)).astype(np.float32)


def _add(scores: Floats, say: Say, known: Floats) -> None:
    """Add what comparable scores count, in place; these are used up."""
    if say.weight:
        scores += np.float32(say.weight) * known
    if say.root:
        np.sqrt(known, out=known)
        known *= np.float32(say.root)
        scores += known


def _counted(say: Say, known: NDArray[np.float64]) -> NDArray[np.float64]:
    """What comparable scores count."""
    return np.asarray(say.weight * known + say.root * np.sqrt(known))


def _slope(say: Say, known: Floats) -> Floats:
    """What comparable scores count, divided by themselves."""
    roots = np.sqrt(known)
    rooted = np.divide(np.float32(say.root), roots, out=np.zeros_like(known), where=roots > 0)
    return np.asarray(np.float32(say.weight) + rooted)


def _again(bundle: Bundle) -> float:
    value = bundle.manifest.params.get(AGAIN, 0.0)
    if not isinstance(value, float | int):
        message = f"params.{AGAIN} = {value!r}: a blend needs a number"
        raise BundleError(message)
    return float(value)
