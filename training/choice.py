"""Chooses recipes on validation time: of every algorithm the best, and the best of all.

Validation time is as long as the held-out time and ends where nothing is seen any more by what is
judged, so that the time which judges has chosen nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from features.errors import NotEnoughData, SettingsError
from features.progress import Stage
from serving.model.blend import ALGORITHM as BLEND
from serving.model.manifest import Manifest
from serving.model.weighting import UNFADING, Weighting
from training.blending import choices_of, fit_blend
from training.evaluate import question_blocks
from training.recommend import POPULARITY, History
from training.recommenders.blend import recipes_of, without_silent
from training.recommenders.personal import ALGORITHM as PERSONAL
from training.recommenders.personal import PersonalParams
from training.recommenders.popularity import PopularityParams
from training.recommenders.recipe import ALGORITHMS, Recipe, default_recipe
from training.reports import Tuned
from training.tuning.bench import Bench
from training.tuning.found import Found, try_starts
from training.tuning.ground import Ground

CUSTOMERS: Final = 600
"""Whose validation time chooses: enough to tell recipes apart."""
COMPANIONS: Final = (
    Recipe(POPULARITY, PopularityParams(first=True), Weighting(half_life_days=7.0)),
    Recipe(POPULARITY, PopularityParams(first=True), Weighting(half_life_days=60.0)),
    Recipe(PERSONAL, PersonalParams(power=0.5), UNFADING),
)
"""Parts of every blend beside the best recipes of the same algorithms: what people take up this
week and this season, and what a customer ever had. They compete for nothing."""

Starts = Mapping[str, Sequence[Recipe]]
"""Algorithm → the recipes that are tried of it at least, its default first."""


@dataclass(frozen=True)
class Choice:
    """What validation time said.

    Attributes:
        starts: What it was asked about at least.
        found: Algorithm → the best recipe of it; empty when history is too short to tell.
    """

    starts: Starts
    found: Mapping[str, Found]

    @property
    def best(self) -> str | None:
        """The best algorithm for all blocks; None when history is too short to tell.

        One model serves those that repeat and those that don't, so both scores count alike.
        """

        def worth(name: str) -> tuple[float, float]:
            found = self.found[name]
            return found.score * found.again, found.score

        return max(self.found, key=worth, default=None)

    @property
    def recipes(self) -> dict[str, Recipe]:
        """Algorithm → its best recipe; the champion's or the default where nothing tells."""
        untold = {name: recipes[-1] for name, recipes in self.starts.items()}
        return untold | {name: found.recipe for name, found in self.found.items()}

    @property
    def judged(self) -> dict[str, Recipe]:
        """Those recipes that are worth fitting again for held-out time.

        What lost to popularity in validation time is not: it would not pass the gate.
        """
        least = self.found[POPULARITY].score if self.found else 0.0
        lost = {name for name, found in self.found.items() if found.score < least}
        return {name: recipe for name, recipe in self.recipes.items() if name not in lost}

    def origin(self, algorithm: str) -> str:
        """Where an algorithm's recipe comes from: `default`, `champion`, `tuned` or `blended`."""
        if algorithm == BLEND:
            return "blended"
        default, *champions = self.starts[algorithm]
        recipe = self.recipes[algorithm]
        if recipe == default:
            return "default"
        return "champion" if recipe in champions else "tuned"

    def tuned(self) -> tuple[Tuned, ...]:
        """What tuning found, as people read it."""
        return tuple(
            Tuned(
                algorithm=name,
                trials=found.trials,
                pruned=found.pruned,
                seconds=found.seconds,
                best=found.score,
                default=found.default,
            )
            for name, found in self.found.items()
            if found.trials
        )


def starts_of(champion: Manifest | None, algorithms: str) -> dict[str, tuple[Recipe, ...]]:
    """The default of every algorithm, and the recipes that the champion was made by.

    So what tuning found once is kept for as long as it is the best, without tuning again.

    Args:
        champion: Of its bundle; None without one.
        algorithms: Those that compete, with commas between; popularity always does.

    Raises:
        SettingsError: One of them is not known.
    """
    names = dict.fromkeys([POPULARITY, *filter(None, map(str.strip, algorithms.split(",")))])
    for name in names:
        if name not in ALGORITHMS:
            message = f"HOMING_ALGORITHMS has {name!r} in it: choose of {', '.join(ALGORITHMS)}"
            raise SettingsError(message)
    starts: dict[str, tuple[Recipe, ...]] = {name: (default_recipe(name),) for name in names}
    for kept in () if champion is None else recipes_of(champion):
        known = starts.get(kept.algorithm, ())
        if kept not in known and kept not in COMPANIONS:
            starts[kept.algorithm] = (*known, kept)
    return starts


def validation_of(history: History) -> Ground | None:
    """The ground of validation time; None when history is too short to have one."""
    span = replace(history.span, end=history.span.fit_until)
    if span.fit_until <= span.first:
        return None
    try:
        ground = Ground(
            dataset=history.dataset(span.fit_until),
            held_out=history.held_out(span.cutoff, span.end, most=CUSTOMERS),
            catalogue=history.catalogue,
            created_at=history.created_at,
        )
        ground.check()
    except NotEnoughData:
        return None
    return ground


def choose(history: History, starts: Starts, bench: Bench | None, progress: Stage) -> Choice:
    """The best recipe of every algorithm.

    Args:
        history: Of the lake; nothing is chosen when it is too short for validation time.
        starts: What is tried at least.
        bench: Better ones are looked for with it; not at all when None.
        progress: Opens stages.

    Raises:
        BundleError: A fit did not converge.
        StoreUnavailable: Tuning can't keep its notes.
        RegistryUnavailable: MLflow does not answer.
    """
    with progress("looking at validation time"):
        ground = validation_of(history)
    if ground is None:
        return Choice(starts, {})
    found: dict[str, Found] = {}
    if bench is not None:
        from training.tuning.tune import tune  # noqa: PLC0415 - imports Optuna, which takes a second

        # What every recommender must beat stays what it is.
        tunable = {
            name: starts[name] for name in starts if name in ALGORITHMS.keys() - {POPULARITY}
        }
        with progress("tuning recommenders") as advance:
            found = tune(ground, tunable, bench, advance)
    with progress("choosing the algorithm") as advance:
        for done, (name, recipes) in enumerate(starts.items(), start=1):
            found[name] = found.get(name) or try_starts(ground, recipes)
            advance(done, len(starts))
    with progress("blending"):
        found = {
            name: replace(one, bundle=one.bundle or ground.fit(one.recipe))
            for name, one in found.items()
        }
        found[BLEND] = _blended(ground, found)
    repeating = replace(ground, block=next(one for one in question_blocks() if one.allow_repeats))
    return Choice(starts, {name: _also_again(repeating, one) for name, one in found.items()})


def _also_again(repeating: Ground, found: Found) -> Found:
    """With its score where repeats are allowed; the bundle is needed no more."""
    again = 0.0 if found.bundle is None else repeating.score(found.bundle)
    return replace(found, again=again, bundle=None)


def _blended(ground: Ground, found: Mapping[str, Found]) -> Found:
    """The blend of the best recipes of all algorithms, and of their companions.

    Its score is what blends fitted on either half of the customers do for the other half, so that
    it meets the other recipes on customers who did not choose its weights.
    """
    recipes = [one.recipe for one in found.values()]
    bundles = [one.bundle for one in found.values() if one.bundle is not None]
    for companion in COMPANIONS:
        if companion.algorithm in found and companion not in recipes:
            recipes.append(companion)
            bundles.append(ground.fit(companion))
    choices = choices_of(bundles, ground.held_out, ground.catalogue)
    # By turns among those who have a target, so that either half has somebody who judges.
    odd = np.cumsum(ground.has_target) % 2 == 1
    scores = []
    for half in (odd, ~odd):
        blend = fit_blend(recipes, choices.where(~half[choices.customers]))
        mixed = ground.mix(blend, bundles)
        scores.append(ground.among(np.flatnonzero(half)).score(mixed))
    blend = fit_blend(recipes, choices)
    score = float(np.mean(scores))
    mixed = ground.mix(blend, bundles)
    return Found(without_silent(blend), score, default=score, bundle=mixed)
