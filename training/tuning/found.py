"""The best recipe of an algorithm on validation time, whoever looked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from serving.model.bundle import Bundle
from training.recommenders.recipe import Recipe
from training.tuning.ground import Ground


@dataclass(frozen=True)
class Found:
    """The best recipe of one algorithm on validation time.

    Attributes:
        recipe: With the best score.
        score: Of it, on the question that the gate asks.
        again: The same metric where repeats are allowed.
        default: Score of the first start.
        trials: Finished, the pruned and the failed included.
        pruned: Of them.
        seconds: That they took.
        bundle: What the recipe made of the ground; None where it was not kept.
    """

    recipe: Recipe
    score: float
    default: float
    again: float = 0.0
    trials: int = 0
    pruned: int = 0
    seconds: float = 0.0
    bundle: Bundle | None = field(default=None, repr=False, compare=False)


def try_starts(ground: Ground, starts: Sequence[Recipe]) -> Found:
    """The best of some recipes of one algorithm, the default first.

    Raises:
        BundleError: A fit did not converge.
    """
    default, *others = starts
    bundle = ground.fit(default)
    score = ground.score(bundle)
    best = Found(default, score, default=score, bundle=bundle)
    for start in others:
        bundle = ground.fit(start)
        score = ground.score(bundle)
        if score > best.score:
            best = replace(best, recipe=start, score=score, bundle=bundle)
    return best
