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
from training.gate.ranks import chance_above
from training.heldout import HeldOut, spread
from training.reports import Check

SAMPLE: Final = 100
"""Customers who are scored: 27 MB for 68,000 items."""
PLACES: Final = 4
"""First places that are compared: a slate of a mail."""
RECALLED: Final = 0.6
"""How often an item that a customer dealt with must rank above one that it did not: 0.5 is chance,
popularity alone gets 0.7 and more."""
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
        own: Which items each dealt with before, (customers, items).
    """

    algorithm: str
    scores: Scores
    again: Scores
    own: Mask


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
    own = np.zeros((len(baskets), len(bundle.items)), np.bool_)
    own[np.repeat(np.arange(len(baskets)), np.diff(baskets.starts)), baskets.rows] = True
    # Opened twice, and asked about baskets of its own: nothing can be remembered.
    scores, again = (
        np.asarray(open_scorer(bundle).score(chosen.baskets(bundle.index))) for _ in range(2)
    )
    return Sample(bundle.manifest.algorithm, scores, again, own)


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
    """What customers dealt with ranks above what they did not: it has learnt from these people.

    Permuted, negated, constant or shuffled scores all end here, without a look at the future.
    """
    chances = [
        chance_above(scores, own) for scores, own in zip(sample.scores, sample.own, strict=True)
    ]
    known = np.array([chance for chance in chances if np.isfinite(chance)])
    recalled = float(known.mean()) if known.size else float("nan")
    return check(
        "recalls",
        # Where everybody dealt with everything there is nothing to tell apart.
        passed=not recalled < RECALLED,
        found=f"an item that a customer dealt with ranks above another {recalled:.1%} of times",
        cure=f"at least {RECALLED:.0%} are expected: were rows, labels or signs mixed up?",
        evidence={"recalled": recalled, "at_least": RECALLED, "customers": len(known)},
    )


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
