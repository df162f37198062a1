"""The space that tuning searches: an algorithm's parameters, and what events count."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from optuna.distributions import distribution_to_json
from optuna.trial import BaseTrial, FixedTrial

from features.event import EventType
from serving.model.basket import KINDS
from serving.model.manifest import Param
from serving.model.weighting import DEFAULT_TYPES, Weighting
from training.dataset import Dataset
from training.recommenders.recipe import ALGORITHMS, Recipe, default_recipe

WEIGHTS: Final[Mapping[EventType, tuple[float, float]]] = {
    EventType.VIEW: (0.0, 1.0),
    EventType.EMAIL_CLICK: (0.0, 1.0),
    EventType.CART: (0.0, 1.0),
    EventType.RETURN: (-1.0, 0.0),
}
"""Event type → the least and the greatest that one may count, where a purchase counts 1."""
HALF_LIFE_DAYS: Final = (3.0, 1000.0)
"""The shortest that is worth trying, and one that is as good as none."""

FADES: Final = "weighting.fades"
HALF_LIFE: Final = "weighting.half_life_days"

Point = dict[str, Param]
"""Parameter name → value: where in the space."""


@dataclass(frozen=True)
class Space:
    """What may be tried of one algorithm on one dataset.

    Attributes:
        algorithm: A key of `ALGORITHMS`.
        types: Event types that the dataset has and whose weight is searched.
        aged: Whether its events are of different ages; if not, no half-life makes a difference.
    """

    algorithm: str
    types: tuple[EventType, ...]
    aged: bool

    @classmethod
    def of(cls, algorithm: str, dataset: Dataset) -> Space:
        """The space of an algorithm on a dataset."""
        baskets = dataset.baskets
        present = {KINDS[number] for number in np.unique(baskets.kinds)}
        aged = len(baskets.ages) > 0 and bool(np.ptp(baskets.ages))
        return cls(algorithm, tuple(kind for kind in WEIGHTS if kind in present), aged)

    def draw(self, trial: BaseTrial) -> Recipe:
        """The recipe that a trial asks for."""
        # `suggest` is declared for a running trial; one that is told its parameters draws alike.
        running: Any = trial
        params = ALGORITHMS[self.algorithm].suggest(running)
        weights = {kind: trial.suggest_float(_name(kind), *WEIGHTS[kind]) for kind in self.types}
        weighting = Weighting(types={**DEFAULT_TYPES, **weights})
        if self.aged:
            # Both are always drawn: a space whose shape depends on a draw is sampled far worse.
            days = trial.suggest_float(HALF_LIFE, *HALF_LIFE_DAYS, log=True)
            fades = trial.suggest_categorical(FADES, (True, False))
            weighting = Weighting(weighting.types, days if fades else None)
        return Recipe(self.algorithm, params, weighting)

    @property
    def digest(self) -> str:
        """Names the space: trials of another one say nothing in this."""
        trial = FixedTrial(self.told(default_recipe(self.algorithm)))
        self.draw(trial)
        drawn = sorted(
            (name, distribution_to_json(one)) for name, one in trial.distributions.items()
        )
        return hashlib.sha256(repr(drawn).encode()).hexdigest()

    def told(self, recipe: Recipe) -> Point:
        """Every parameter of a recipe by the name that trials give it."""
        weighting = recipe.weighting
        return {
            **asdict(recipe.params),
            **{_name(kind): weight for kind, weight in weighting.types.items()},
            FADES: weighting.half_life_days is not None,
            HALF_LIFE: weighting.half_life_days or HALF_LIFE_DAYS[1],
        }

    def point_of(self, recipe: Recipe) -> Point | None:
        """Where a recipe lies; None when it is outside the space."""
        trial = FixedTrial(self.told(recipe))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # by a warning it says that a value is out of range
            try:
                drawn = self.draw(trial)
            except (UserWarning, ValueError):
                return None
        return dict(trial.params) if drawn == recipe else None


def _name(kind: EventType) -> str:
    return f"weighting.{kind}"
