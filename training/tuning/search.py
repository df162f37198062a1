"""One algorithm's study: Optuna asks, the ground answers, the hopeless are pruned, all is noted.

The sampler is the tree-structured Parzen estimator (Bergstra et al., "Algorithms for
Hyper-Parameter Optimization", 2011), over all parameters at once; a trial that is below the median
of its elders after some share of the customers is pruned (Golovin et al., "Google Vizier", 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from features.errors import BundleError
from training.recommenders.recipe import Recipe
from training.tuning.bench import Budget
from training.tuning.found import Found
from training.tuning.ground import SHARES, Ground
from training.tuning.notes import Noted, Notes, State
from training.tuning.space import Space

ELDERS: Final = 5
"""Complete trials before any is pruned."""
SEED: Final = 20170101
STATES: Final = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
"""Optuna's names of what notes say."""


class Search:
    """One algorithm's study, which goes on where its notes end.

    The same ground, starts, notes and seed give the same trials: each has a sampler of its own,
    seeded by its number, so that an interruption makes no difference.

    Args:
        space: What may be tried.
        ground: Where.
        starts: Recipes that are tried first and never pruned, the default before all others.
        notes: Of the trials so far.
    """

    def __init__(
        self, space: Space, ground: Ground, starts: Sequence[Recipe], notes: Notes
    ) -> None:
        self._space, self._ground, self._notes = space, ground, notes
        points = [(start, space.point_of(start)) for start in starts]
        self._points = [point for _, point in points if point is not None]
        self._outside = [start for start, point in points if point is None]
        self._default = starts[0]

    def trials(self, budget: Budget) -> Iterator[Noted]:
        """Each trial as it finishes.

        Raises:
            StoreUnavailable: Notes can't be written.
        """
        study = self._study()
        known = [one.params for one in self._notes.trials]
        untried = [point for point in self._points if point not in known]
        for point in untried:
            study.enqueue_trial(point)
        while untried or self._within(budget):
            trial = self._ask(study)
            noted = self._tried(trial)
            self._notes.add(noted)
            _tell(study, trial, noted)
            untried = untried[1:]
            yield noted

    def found(self) -> Found:
        """The best of all that was tried; at least the starts must have been.

        Raises:
            BundleError: A start did not converge.
        """
        noted = self._notes.trials
        scores = {n: one.scores[-1] for n, one in enumerate(noted) if one.state == "complete"}
        tried = [
            (self._space.draw(FixedTrial(noted[n].params)), score) for n, score in scores.items()
        ]
        tried += [(start, self._ground.score(self._ground.fit(start))) for start in self._outside]
        default = [score for recipe, score in tried if recipe == self._default]
        if not default:
            message = f"{self._default}: did not converge; leave the algorithm out or mend the data"
            raise BundleError(message)
        recipe, score = max(tried, key=lambda one: one[1])
        return Found(
            recipe=recipe,
            score=score,
            default=default[0],
            trials=len(noted),
            pruned=sum(one.state == "pruned" for one in noted),
            seconds=sum(one.seconds for one in noted),
        )

    def _within(self, budget: Budget) -> bool:
        noted = self._notes.trials
        if budget.trials is not None and len(noted) >= budget.trials:
            return False
        return sum(one.seconds for one in noted) < budget.seconds

    def _study(self) -> optuna.Study:
        """The study as its notes have it."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize",
            pruner=MedianPruner(n_startup_trials=ELDERS),
        )
        for noted in self._notes.trials:
            study.add_trial(_frozen(noted))
        return study

    def _ask(self, study: optuna.Study) -> optuna.Trial:
        study.sampler = TPESampler(seed=SEED + len(self._notes.trials))
        return study.ask()

    def _tried(self, trial: optuna.Trial) -> Noted:
        """The trial's end; not yet told to the study."""
        began = perf_counter()
        scores: list[float] = []
        recipe = self._space.draw(trial)
        state: State = "complete"
        try:
            for step, score in enumerate(self._ground.scores(self._ground.fit(recipe))):
                scores.append(score)
                trial.report(score, step)
                if self._hopeless(trial, step):
                    state = "pruned"
                    break
        except BundleError:
            state = "failed"
        return Noted(
            params=dict(trial.params),
            distributions={
                name: distribution_to_json(one) for name, one in trial.distributions.items()
            },
            scores=tuple(scores),
            state=state,
            seconds=perf_counter() - began,
        )

    def _hopeless(self, trial: optuna.Trial, step: int) -> bool:
        if step == len(SHARES) - 1 or trial.params in self._points:
            return False
        return trial.should_prune()


def _tell(study: optuna.Study, trial: optuna.Trial, noted: Noted) -> None:
    state = STATES[noted.state]
    value = noted.scores[-1] if noted.state == "complete" else None
    study.tell(trial, value, state)


def _frozen(noted: Noted) -> FrozenTrial:
    """A trial as Optuna would have kept it."""
    return create_trial(
        state=STATES[noted.state],
        value=None if noted.state == "failed" else noted.scores[-1],
        params=noted.params,
        distributions={
            name: json_to_distribution(text) for name, text in noted.distributions.items()
        },
        intermediate_values=dict(enumerate(noted.scores)),
    )
