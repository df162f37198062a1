"""Does the bundle behave: does it know its own customers, and tell one from the other?

A sample of customers is scored as in serving. All is judged by ranks and first places, so that it
holds for every algorithm, whatever its scores mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.model.bundle import Bundle
from serving.model.popularity import ALGORITHM as POPULARITY
from serving.model.scoring import open_scorer
from training.checks import check
from training.heldout import HeldOut, spread
from training.ranks import chance_above
from training.reports import Check

SAMPLE: Final = 100
"""Customers who are scored: 27 MB for 68,000 items."""
PLACES: Final = 4
"""First places that are compared: a slate of a mail."""
GUESSED: Final = 0.55
"""How often an item that is hidden from a customer's history must rank above one that never was in
it: 0.5 is chance, and 100 customers tell it to within 0.02."""
RECALLED: Final = 0.6
"""The same of items that are not hidden, for a model that speaks of those alone."""
LEARNT: Final = 1.05
"""How many times the hidden items that popularity puts into its first places a personal model must
find: of shops' data honest ones find 1.4 times and more, those of shuffled labels fewer."""
FIRST: Final = 20
"""Those first places; a quarter of the items where that is less."""
TALKING: Final = 10
"""Customers to whom a model must say something of other items, to be asked about hidden ones."""
ALIKE: Final = 0.9
"""Share of their first places that two customers may have in common on average."""

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sample:
    """Customers as a bundle scores them.

    Attributes:
        algorithm: Of the bundle.
        scores: (customers, items).
        again: The same from a scorer that was opened anew.
        blind: The same when half of each one's items are hidden from it.
        own: Which items each dealt with before, (customers, items).
        hidden: Which of them were hidden.
        popularity: Of the bundle, (items,).
    """

    algorithm: str
    scores: Scores
    again: Scores
    blind: Scores
    own: Mask
    hidden: Mask
    popularity: Scores

    @property
    def others(self) -> Mask:
        """What a customer could be shown whose hidden items were never seen, (customers, items)."""
        return ~self.own | self.hidden

    @property
    def told(self) -> Mask:
        """For whom the model says something of these others, (customers,)."""
        highest = np.where(self.others, self.blind, -np.inf).max(axis=1)
        return np.asarray(highest > np.where(self.others, self.blind, np.inf).min(axis=1))

    @property
    def talks(self) -> bool:
        """Whether the model speaks of more than what customers had."""
        return int(self.told.sum()) >= TALKING


def sample_of(bundle: Bundle, held_out: HeldOut) -> Sample:
    """How a bundle scores some of these customers, evenly spread.

    Args:
        bundle: Is sound.
        held_out: Customers, and what they did before T; those who did nothing with an item that
            the bundle knows are left out.
    """
    known = np.flatnonzero(np.diff(held_out.baskets(bundle.index).starts))
    chosen = held_out.picked(known[spread(len(known), SAMPLE)])
    baskets = chosen.baskets(bundle.index)
    customers = baskets.customers
    own = np.zeros((len(baskets), len(bundle.items)), np.bool_)
    own[customers, baskets.rows] = True
    hidden = own & (own.cumsum(axis=1) % 2 == 0)
    shown = baskets.where(~hidden[customers, baskets.rows])
    # Opened twice, and asked about baskets of its own: nothing can be remembered.
    scores, again, blind = (
        np.asarray(open_scorer(bundle).score(asked))
        for asked in (baskets, chosen.baskets(bundle.index), shown)
    )
    algorithm = bundle.manifest.algorithm
    return Sample(algorithm, scores, again, blind, own, hidden, bundle.popularity)


def check_finite(sample: Sample) -> Check:
    """Every score is a number."""
    broken = int((~np.isfinite(sample.scores)).sum())
    return check(
        "scores",
        passed=not broken and sample.scores.shape == sample.own.shape,
        found=f"{broken:,} of {sample.scores.size:,} scores are no numbers",
        cure="fit again with other parameters",
        evidence={"broken": broken},
    )


def check_repeatable(sample: Sample) -> Check:
    """The same question has the same answer."""
    same = bool(np.array_equal(sample.scores, sample.again, equal_nan=True))
    return check(
        "repeatable",
        passed=same,
        found=f"scored twice: {'the same' if same else 'different scores'}",
        cure="a scorer must not draw lots nor keep what it was asked",
    )


def check_recalls(sample: Sample) -> Check:
    """Hidden items of customers rank above others: it has learnt what goes with what.

    Permuted, shuffled, foreign or constant factors all end here, without a look at the future.
    What is in a basket itself says little: least squares find it again with any factors. Only a
    model that speaks of nothing else is asked about that.
    """
    if sample.talks:
        told, (what, least) = sample.told, ("an item hidden from a history", GUESSED)
        chances = _chances(sample.blind[told], sample.hidden[told], sample.others[told])
    else:
        what, least = "an item of a history", RECALLED
        chances = _chances(sample.scores, sample.own, np.ones_like(sample.own))
    rate = float(chances.mean()) if chances.size else float("nan")
    return check(
        "recalls",
        # Where everybody dealt with everything there is nothing to tell apart.
        passed=not rate < least,
        found=f"{what} ranks above others {rate:.1%} of times for {len(chances)} customers",
        cure=f"at least {least:.0%} are expected: were rows, labels or signs mixed up?",
        evidence={"rate": rate, "at_least": least, "customers": len(chances)},
    )


def _chances(scores: Scores, wanted: Mask, among: Mask) -> NDArray[np.float64]:
    """How often what is wanted ranks above the rest of those compared, where that can be told."""
    found = [
        chance_above(one[mask], targets[mask])
        for one, targets, mask in zip(scores, wanted, among, strict=True)
    ]
    chances = np.array(found, np.float64)
    return chances[np.isfinite(chances)]


def check_learnt(sample: Sample) -> Check:
    """A personal model finds more hidden items than popularity does: it knows more than that."""
    if sample.algorithm == POPULARITY or not sample.talks:
        return check("learnt", passed=True, found="it speaks of nothing that could be hidden")
    popular = np.broadcast_to(sample.popularity, sample.blind.shape)
    ours, theirs = (_found(sample, scores) for scores in (sample.blind, popular))
    return check(
        "learnt",
        passed=ours >= LEARNT * theirs,
        found=(f"{ours:.1%} of its first places hold hidden items, of popularity's {theirs:.1%}"),
        cure="it learnt what is popular, and nothing of people: were labels shuffled?",
        evidence={"found": ours, "by_popularity": theirs, "at_least_times": LEARNT},
    )


def _found(sample: Sample, scores: Scores) -> float:
    """Share of the first places that hold hidden items."""
    places = max(1, min(FIRST, scores.shape[1] // 4))
    shown = np.where(sample.others, scores, -np.inf)
    first = np.argpartition(-shown, places - 1, axis=1)[:, :places]
    return float(np.take_along_axis(sample.hidden, first, axis=1).mean())


def check_personal(sample: Sample) -> Check:
    """A model that claims to be personal shows different customers different items."""
    if sample.algorithm == POPULARITY:
        return check("personal", passed=True, found="popularity is the same for all, and says so")
    first = np.argsort(-sample.scores, axis=1, kind="stable")[:, :PLACES]
    alike = [len(np.intersect1d(a, b)) / PLACES for a, b in pairwise(first)]
    mean = float(np.mean(alike)) if alike else float("nan")
    return check(
        "personal",
        passed=not mean > ALIKE,
        found=f"two customers have {mean:.1%} of their first {PLACES} places in common",
        cure=f"at most {ALIKE:.0%}: it answers everybody the same, as popularity does",
        evidence={"alike": mean, "at_most": ALIKE, "customers": len(first)},
    )
