"""The best recipe of an algorithm on validation time, whoever looked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.recommenders.recipe import Recipe
from training.tuning.ground import Ground


@dataclass(frozen=True)
class Found:
    """The best recipe of one algorithm on validation time.

    Attributes:
        recipe: With the best score.
        score: Of it.
        default: Score of the first start.
        trials: Finished, the pruned and the failed included.
        pruned: Of them.
        seconds: That they took.
    """

    recipe: Recipe
    score: float
    default: float
    trials: int = 0
    pruned: int = 0
    seconds: float = 0.0


def try_starts(ground: Ground, starts: Sequence[Recipe]) -> Found:
    """The best of some recipes of one algorithm, the default first.

    Raises:
        BundleError: A fit did not converge.
    """
    scores = [ground.score(ground.fit(start)) for start in starts]
    best = max(range(len(starts)), key=scores.__getitem__)
    return Found(starts[best], scores[best], default=scores[0])
