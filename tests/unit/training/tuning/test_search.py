from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pytest

from features.errors import BundleError
from serving.model.bundle import Bundle
from serving.model.weighting import Weighting
from tests.unit.training.tuning.changing import DEFAULT, FORGETFUL, changing_ground
from training.recommenders.item_knn import ItemKnnParams
from training.recommenders.recipe import Recipe
from training.tuning.bench import Budget
from training.tuning.ground import Ground
from training.tuning.notes import Noted, Notes
from training.tuning.search import Search
from training.tuning.space import Space

TRIALS = 30


@dataclass(frozen=True, eq=False)
class Plain(Ground):
    """A ground on which one number of a recipe is its score, and every fit is remembered."""

    fitted: list[Recipe] = field(default_factory=list)
    scored: Callable[[Recipe], float] = lambda recipe: -abs(recipe.params.damping - 0.3)

    def fit(self, recipe: Recipe) -> Bundle:
        self.fitted.append(recipe)
        return recipe  # type: ignore[return-value] # scored below, by this very class

    def scores(self, bundle: Bundle) -> Iterator[float]:
        for _ in range(4):
            yield self.scored(bundle)  # type: ignore[arg-type] # as above


@pytest.fixture(scope="module")
def ground() -> Ground:
    return changing_ground()


@pytest.fixture
def plain(ground: Ground) -> Plain:
    return Plain(ground.dataset, ground.held_out, None, ground.created_at)


def search(ground: Ground, path: Path, *starts: Recipe) -> Search:
    """The study whose notes are at a path."""
    space = Space.of("item_knn", ground.dataset)
    return Search(space, ground, starts or (DEFAULT,), Notes(path / "item_knn.jsonl"))


def timeless(trials: list[Noted]) -> list[tuple[object, ...]]:
    """All of the trials but how long they took."""
    return [(one.params, one.scores, one.state) for one in trials]


def test_the_planted_taste_is_found(ground: Ground, tmp_path: Path) -> None:
    study = search(ground, tmp_path)
    trials = list(study.trials(Budget(60.0, TRIALS)))
    found = study.found()
    assert len(trials) == found.trials == TRIALS
    assert found.default == ground.score(ground.fit(DEFAULT))
    assert found.score == ground.score(ground.fit(found.recipe))
    assert found.score > found.default + 0.1
    assert found.recipe.weighting.half_life_days is not None
    assert found.recipe.weighting.half_life_days < 30
    pruned = [one for one in trials if one.state == "pruned"]
    assert len(pruned) == found.pruned > 0
    assert all(len(one.scores) < 4 for one in pruned)


def test_starts_are_tried_first_and_whole(ground: Ground, tmp_path: Path) -> None:
    short = replace(DEFAULT, weighting=Weighting(half_life_days=10.0))
    study = search(ground, tmp_path, DEFAULT, short)
    first, second = study.trials(Budget(0.0))
    assert (first.params["weighting.half_life_days"], first.state) == (60.0, "complete")
    assert (second.params["weighting.half_life_days"], second.state) == (10.0, "complete")
    assert study.found().recipe == short


def test_a_start_outside_the_space_is_tried_as_well(plain: Plain, tmp_path: Path) -> None:
    outside = replace(DEFAULT, params=ItemKnnParams(neighbours=10_000, damping=0.3))
    study = search(plain, tmp_path, DEFAULT, outside)
    assert len(list(study.trials(Budget(0.0)))) == 1
    assert study.found().recipe == outside


def test_the_budget_of_seconds_is_kept(plain: Plain, tmp_path: Path) -> None:
    study = search(plain, tmp_path)
    trials = list(study.trials(Budget(0.25)))
    spent = [one.seconds for one in trials]
    assert sum(spent[:-1]) < 0.25 <= sum(spent)
    assert study.found().seconds == sum(spent)
    assert not list(search(plain, tmp_path).trials(Budget(0.25)))
    more = next(search(plain, tmp_path).trials(Budget(sum(spent) + 60.0)))
    assert more.params not in [one.params for one in trials]


def test_the_same_seed_gives_the_same_trials(plain: Plain, tmp_path: Path) -> None:
    one, two = (
        list(search(plain, tmp_path / name).trials(Budget(60.0, TRIALS))) for name in ("a", "b")
    )
    assert timeless(one) == timeless(two)
    assert len({str(trial.params) for trial in one}) == TRIALS


def test_an_interruption_makes_no_difference(plain: Plain, tmp_path: Path) -> None:
    whole = list(search(plain, tmp_path / "whole").trials(Budget(60.0, TRIALS)))
    plain.fitted.clear()
    before = list(islice(search(plain, tmp_path).trials(Budget(60.0, TRIALS)), 17))
    with (tmp_path / "item_knn.jsonl").open("ab") as file:
        file.write(b'{"params": {"sch')
    resumed = search(plain, tmp_path)
    after = list(resumed.trials(Budget(60.0, TRIALS)))
    assert len(after) == TRIALS - 17
    assert timeless(before + after) == timeless(whole)
    assert len(plain.fitted) == TRIALS
    assert resumed.found().trials == TRIALS


def test_what_does_not_converge_is_a_failed_trial(plain: Plain, tmp_path: Path) -> None:
    def scored(recipe: Recipe) -> float:
        if recipe.params.scheme == "tfidf":
            message = "no"
            raise BundleError(message)
        return float(recipe.params.damping)

    picky = replace(plain, scored=scored)
    study = search(picky, tmp_path)
    states = {one.params["scheme"]: one.state for one in study.trials(Budget(60.0, 10))}
    assert states["tfidf"] == "failed"
    assert list(search(picky, tmp_path).trials(Budget(60.0, 15)))
    assert study.found().recipe.params.scheme != "tfidf"


def test_a_default_that_does_not_converge_is_told(plain: Plain, tmp_path: Path) -> None:
    def scored(recipe: Recipe) -> float:
        message = f"no {recipe}"
        raise BundleError(message)

    study = search(replace(plain, scored=scored), tmp_path)
    assert [one.state for one in study.trials(Budget(0.0))] == ["failed"]
    with pytest.raises(BundleError, match="did not converge"):
        study.found()


def test_the_champions_recipe_may_be_the_best(plain: Plain, tmp_path: Path) -> None:
    best = replace(FORGETFUL, params=ItemKnnParams(damping=0.3))
    study = search(plain, tmp_path, DEFAULT, best)
    assert len(list(study.trials(Budget(60.0, 5)))) == 5
    assert study.found().recipe == best
    assert study.found().default == pytest.approx(-0.45)
