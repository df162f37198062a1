from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import optuna
import pytest

from features.event import EventType
from serving.model.basket import baskets_of_counts
from serving.model.weighting import Weighting
from tests.unit.training.tuning.changing import DEFAULT, changing_ground, views
from training.recommenders.item_knn import ItemKnnParams
from training.recommenders.recipe import ALGORITHMS, Recipe, default_recipe
from training.tuning.ground import Ground
from training.tuning.space import Space


@pytest.fixture(scope="module")
def ground() -> Ground:
    return changing_ground(*views())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_default_of_every_algorithm_lies_in_its_space(algorithm: str, ground: Ground) -> None:
    space, recipe = Space.of(algorithm, ground.dataset), default_recipe(algorithm)
    point = space.point_of(recipe)
    assert point is not None
    assert space.draw(optuna.trial.FixedTrial(point)) == recipe


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whatever_is_drawn_lies_in_the_space(algorithm: str, ground: Ground) -> None:
    space = Space.of(algorithm, ground.dataset)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        trial = study.ask()
        recipe = space.draw(trial)
        point = space.point_of(recipe)
        assert point is not None
        if recipe.weighting.half_life_days is not None:
            assert point == trial.params


def test_only_what_happens_in_the_shop_is_weighed(ground: Ground) -> None:
    assert Space.of("item_knn", ground.dataset).types == (EventType.VIEW,)
    assert Space.of("item_knn", changing_ground().dataset).types == ()
    space = Space("item_knn", (EventType.VIEW, EventType.RETURN), aged=False)
    weights = {"weighting.view": 0.0, "weighting.return": -0.25}
    recipe = space.draw(optuna.trial.FixedTrial({**asdict(DEFAULT.params), **weights}))
    assert recipe.weighting.types[EventType.VIEW] == 0.0
    assert recipe.weighting.types[EventType.RETURN] == -0.25
    assert recipe.weighting.types[EventType.PURCHASE] == 1.0
    assert recipe.weighting.types[EventType.CART] == 0.3


def test_without_times_no_half_life_is_searched(ground: Ground) -> None:
    counts = ground.dataset.matrix.astype(bool).astype(np.int64)
    timeless = replace(ground.dataset, baskets=baskets_of_counts(counts))
    point = Space.of("item_knn", timeless).point_of(DEFAULT)
    assert point
    assert not [name for name in point if name.startswith("weighting.")]


def test_another_space_has_another_digest(ground: Ground) -> None:
    spaces = [
        Space.of("item_knn", ground.dataset),
        Space.of("als", ground.dataset),
        Space("item_knn", (), aged=True),
        Space("item_knn", (EventType.VIEW,), aged=False),
    ]
    assert len({space.digest for space in spaces}) == len(spaces)
    assert Space.of("item_knn", ground.dataset).digest == spaces[0].digest


def test_what_never_fades_lies_in_the_space(ground: Ground) -> None:
    recipe = Recipe("item_knn", ItemKnnParams(), Weighting(half_life_days=None))
    point = Space.of("item_knn", ground.dataset).point_of(recipe)
    assert point is not None
    assert point["weighting.fades"] is False


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("item_knn", ItemKnnParams(neighbours=1_000_000)),
        Recipe("item_knn", ItemKnnParams(num_threads=7)),
        Recipe("item_knn", ItemKnnParams(), Weighting(half_life_days=0.5)),
        Recipe("item_knn", ItemKnnParams(), Weighting(types={EventType.PURCHASE: 1.0})),
    ],
)
def test_a_recipe_that_no_trial_would_draw_lies_outside(recipe: Recipe, ground: Ground) -> None:
    assert Space.of("item_knn", ground.dataset).point_of(recipe) is None
