from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import NotEnoughData, SettingsError
from features.progress import Advance, silent
from serving.model.manifest import Say
from serving.model.weighting import Weighting
from tests.unit.training.samples import AT, UNTIL
from tests.unit.training.tuning.changing import BETTER, DEFAULT, FORGETFUL, changing_ground
from training.blending import choices_of, fit_blend
from training.choice import COMPANIONS, CUSTOMERS, Choice, Starts, choose, starts_of
from training.dataset import Dataset
from training.heldout import HeldOut
from training.recommenders.als import AlsParams
from training.recommenders.blend import Blend, Ingredient, blend_of
from training.recommenders.popularity import PopularityParams
from training.recommenders.recipe import ALGORITHMS, Recipe, default_recipe
from training.settings import TrainingSettings
from training.span import Span
from training.tuning.bench import Bench, Budget
from training.tuning.found import Found

GROUND = changing_ground()
GAP = timedelta(days=2)
SPAN = Span(
    first=AT - timedelta(days=300),
    end=UNTIL + GAP + (UNTIL - AT),
    holdout=UNTIL - AT,
    lake_version=7,
    gap=GAP,
)
STARTS = {name: (default_recipe(name),) for name in ("popularity", "item_knn")}


class Recorded:
    """A history that remembers which moments it was asked for; a `History` to whoever asks."""

    catalogue = None
    created_at = AT

    def __init__(self, span: Span = SPAN) -> None:
        self.span = span
        self.fitted_until: list[datetime] = []
        self.asked: list[tuple[datetime, datetime, int | None]] = []

    def dataset(self, at: datetime) -> Dataset:
        self.fitted_until.append(at)
        return GROUND.dataset

    def held_out(self, at: datetime, until: datetime, *, most: int | None = None) -> HeldOut:
        self.asked.append((at, until, most))
        return GROUND.held_out


def chosen(history: Recorded, starts: Starts = STARTS) -> Choice:
    """What validation time says, without tuning."""
    as_known: Any = history
    return choose(as_known, starts, None, silent)


def test_validation_time_ends_before_the_gap_and_is_as_long_as_what_judges() -> None:
    history = Recorded()
    chosen(history)
    [(at, until, most)] = history.asked
    assert until == SPAN.fit_until == SPAN.cutoff - GAP
    assert until - at == SPAN.holdout
    assert history.fitted_until == [at - GAP]
    assert most == CUSTOMERS


def test_the_best_of_every_algorithm_and_the_best_of_all_is_chosen() -> None:
    starts = {**STARTS, "item_knn": (DEFAULT, BETTER)}
    choice = chosen(Recorded(), starts)
    worth = {name: one.score * one.again for name, one in choice.found.items()}
    assert choice.best == max(worth, key=worth.__getitem__) != "popularity"
    assert min(worth.values()) > 0
    assert choice.recipes["item_knn"] == BETTER
    assert choice.recipes["popularity"] == default_recipe("popularity")
    assert choice.origin("item_knn") == "champion"
    assert choice.origin("popularity") == "default"
    assert choice.tuned() == ()


@pytest.mark.parametrize("days", [20, 58])
def test_too_short_a_history_chooses_nothing(days: int) -> None:
    choice = chosen(Recorded(replace(SPAN, first=SPAN.end - timedelta(days=days))))
    assert choice.best is None
    assert choice.recipes == {name: recipe for name, (recipe,) in STARTS.items()}


def test_validation_time_without_customers_chooses_nothing() -> None:
    class Empty(Recorded):
        def held_out(self, at: datetime, until: datetime, *, most: int | None = None) -> HeldOut:
            message = f"nobody from {at} to {until}, of {most}"
            raise NotEnoughData(message)

    kept = {**STARTS, "item_knn": (DEFAULT, FORGETFUL)}
    choice = chosen(Empty(), kept)
    assert choice.best is None
    assert choice.recipes["item_knn"] == FORGETFUL


def test_tuning_asks_for_validation_time_alone_and_leaves_popularity_as_it_is(
    tmp_path: Path,
) -> None:
    opened: list[str] = []

    @contextmanager
    def stage(name: str) -> Iterator[Advance]:
        opened.append(name)
        yield lambda _done, _total: None

    history: Any = Recorded()
    choice = choose(history, STARTS, Bench(tmp_path, Budget(60.0, 12)), stage)
    assert opened == [
        "looking at validation time",
        "tuning recommenders",
        "choosing the algorithm",
        "blending",
    ]
    assert [until for _, until, _ in history.asked] == [SPAN.fit_until]
    assert max(history.fitted_until) < min(at for at, _, _ in history.asked)
    [tuned] = choice.tuned()
    assert (tuned.algorithm, tuned.trials) == ("item_knn", 12)
    assert tuned.best > tuned.default
    assert choice.best != "popularity"
    assert choice.origin("item_knn") == "tuned"
    assert choice.origin("popularity") == "default"


def test_the_champions_recipe_is_among_what_is_tried() -> None:
    manifest = GROUND.fit(FORGETFUL).manifest
    starts = starts_of(manifest, "item_knn, als")
    assert list(starts) == ["popularity", "item_knn", "als"]
    assert starts["item_knn"] == (DEFAULT, FORGETFUL)
    assert starts["als"] == (Recipe("als", AlsParams(), Weighting()),)
    assert starts_of(GROUND.fit(DEFAULT).manifest, "item_knn") == starts_of(None, "item_knn")
    # What serves stays in the race, whatever the setting says now.
    assert starts_of(manifest, "")["item_knn"] == (FORGETFUL,)


def test_an_algorithm_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"HOMING_ALGORITHMS has 'alss'.*item_knn.*als"):
        starts_of(None, "item_knn,alss")


def test_all_algorithms_of_the_default_setting_are_known() -> None:
    names = starts_of(None, TrainingSettings().algorithms)
    assert set(names) == set(ALGORITHMS) - {"ease"}


def test_the_best_recipes_are_blended_by_weights_of_validation_time() -> None:
    choice = chosen(Recorded(), {**STARTS, "item_knn": (DEFAULT, BETTER)})
    blend = choice.recipes["blend"]
    assert isinstance(blend, Blend)
    assert BETTER in [one.recipe for one in blend.params.ingredients]
    assert not any(one.silent for one in blend.params.ingredients)
    assert choice.found["blend"].score > choice.found["popularity"].score
    assert choice.origin("blend") == "blended"


def parts_of(algorithms: str) -> list[Recipe]:
    """The recipes that are blended where some algorithms compete."""
    blend = chosen(Recorded(), starts_of(None, algorithms)).recipes["blend"]
    assert isinstance(blend, Blend)
    return [one.recipe for one in blend.params.ingredients]


def test_companions_are_blended_with_what_they_are_like_and_compete_for_nothing() -> None:
    lately, this_season, ever = COMPANIONS
    alone = parts_of("item_knn")
    assert lately in alone or this_season in alone
    assert ever not in alone
    assert all(one in (*map(default_recipe, STARTS), *COMPANIONS) for one in alone)
    blend = blend_of([Ingredient(one, Say(1.0)) for one in (DEFAULT, *COMPANIONS)])
    starts = starts_of(GROUND.fit(blend).manifest, "item_knn,personal")
    assert starts["popularity"] == (default_recipe("popularity"),)
    assert starts["personal"] == (default_recipe("personal"),)


def test_a_blend_is_scored_on_customers_who_did_not_choose_its_weights() -> None:
    choice = chosen(Recorded(), {**STARTS, "item_knn": (DEFAULT, BETTER)})
    whole = GROUND.score(GROUND.fit(choice.recipes["blend"]))
    assert choice.found["blend"].score != whole
    recipes = [one.recipe for name, one in choice.found.items() if name != "blend"]
    recipes += [one for one in COMPANIONS if one.algorithm == "popularity"]
    bundles = [GROUND.fit(recipe) for recipe in recipes]
    places = np.arange(len(GROUND.held_out.customers))
    halves, scores = (places[::2], places[1::2]), []
    for chose, asked in (halves, halves[::-1]):
        choices = choices_of(bundles, GROUND.among(chose).held_out, None)
        mixed = GROUND.mix(fit_blend(recipes, choices), bundles)
        scores.append(GROUND.among(asked).score(mixed))
    assert choice.found["blend"].score == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("silent_one", [0, 1, 2])
def test_either_half_has_somebody_who_judges_a_blend(silent_one: int) -> None:
    held_out = GROUND.held_out.picked(np.arange(3))
    spoke = held_out.wanted.customers != silent_one

    class Small(Recorded):
        def held_out(self, at: datetime, until: datetime, *, most: int | None = None) -> HeldOut:
            assert at < until
            assert most == CUSTOMERS
            return replace(held_out, wanted=held_out.wanted.where(spoke))

    assert np.isfinite(chosen(Small()).found["blend"].score)


def test_every_part_of_a_champion_that_is_a_blend_is_tried() -> None:
    lately = Recipe("popularity", PopularityParams(), Weighting(half_life_days=7.0))
    blend = blend_of([Ingredient(BETTER, Say(1.0)), Ingredient(lately, Say(0.5))])
    starts = starts_of(GROUND.fit(blend).manifest, "item_knn")
    assert starts["item_knn"] == (DEFAULT, BETTER)
    assert starts["popularity"] == (default_recipe("popularity"), lately)


def test_what_loses_to_popularity_is_not_judged() -> None:
    scores = {"popularity": 0.1, "als": 0.09, "item_knn": 0.1}
    found = {name: Found(default_recipe(name), score, score) for name, score in scores.items()}
    starts = {name: (one.recipe,) for name, one in found.items()}
    assert set(Choice(starts, found).judged) == {"popularity", "item_knn"}
    assert set(Choice(starts, {}).judged) == set(starts)


def test_what_was_found_is_chosen_by_its_score() -> None:
    found = {
        "als": Found(default_recipe("als"), 0.2, default=0.1, trials=3, pruned=1, seconds=2.0),
        "item_knn": Found(DEFAULT, 0.3, default=0.3),
    }
    choice = Choice({name: (one.recipe,) for name, one in found.items()}, found)
    assert choice.best == "item_knn"  # where nothing is bought again, what is new decides
    repeating = {**found, "als": replace(found["als"], again=0.4)}
    repeating["item_knn"] = replace(found["item_knn"], again=0.1)
    assert Choice(choice.starts, repeating).best == "als"
    assert [one.algorithm for one in choice.tuned()] == ["als"]
