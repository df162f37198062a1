from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from features.lake import Lake
from features.tables import item_table
from serving.model.bundle import Bundle
from serving.model.manifest import Say
from serving.model.weighting import Weighting
from tests.shop import make_shop
from tests.unit.training.home import clock_of, fill
from training.recommend import History, judge, open_history
from training.recommenders.blend import Ingredient, blend_of
from training.recommenders.popularity import PopularityParams
from training.recommenders.recipe import Recipe, default_recipe
from training.span import span_of


def silent(_done: int, _total: int) -> None:
    """Nobody listens."""


def fitted(history: History, at: datetime) -> Bundle:
    """What item-kNN makes of everything before a moment."""
    return history.fit(default_recipe("item_knn"), at)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A small shop whose first item has sold out since."""
    home: Path = tmp_path_factory.mktemp("recommend")
    shop = make_shop(40, days=100)
    lake = Lake(fill(home, shop).resolved_lake_path())
    lake.merge_items(item_table([msgspec.structs.replace(shop.items[0], in_stock=False)]))
    span = span_of(lake, timedelta(days=28), clock_of(shop))
    with open_history(lake, span, shop.end) as opened:
        yield opened


def test_what_sold_out_since_could_still_be_shown_then(history: History) -> None:
    assert history.catalogue is not None
    assert all(item.in_stock for item in history.catalogue.values())


def test_a_champion_is_judged_on_days_that_it_has_not_seen(history: History) -> None:
    span = history.span
    bundles = {"popularity": history.fit(default_recipe("popularity"), span.cutoff)}
    seen = span.end - timedelta(days=10)
    judged = judge(history, bundles, "popularity", fitted(history, seen), silent)
    unseen = history.held_out(seen, span.end).customers
    assert judged.answers["champion"]["repeat"].customers == unseen
    older = fitted(history, span.cutoff - timedelta(days=10))
    whole = judge(history, bundles, "popularity", older, silent)
    assert whole.answers["champion"]["repeat"].customers != unseen
    assert (
        whole.answers["champion"]["repeat"].customers
        == history.held_out(span.cutoff, span.end).customers
    )


def test_each_recipe_is_fitted_on_one_reading_of_what_was_before(history: History) -> None:
    at = history.span.cutoff
    half = Recipe("popularity", PopularityParams(), Weighting(half_life_days=7.0))
    told: list[tuple[int, int]] = []
    recipes = {"plain": default_recipe("popularity"), "lately": half}
    bundles = history.fit_all(recipes, at, lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]
    assert bundles["lately"].manifest.weighting == half.weighting
    assert bundles["plain"].manifest.data == bundles["lately"].manifest.data
    assert bundles["plain"].manifest.data.as_of == at
    assert history.dataset(at) is history.dataset(at)


def test_a_blend_is_mixed_of_what_was_fitted_beside_it(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, knn = default_recipe("popularity"), default_recipe("item_knn")
    fitted_one_by_one: list[Recipe] = []

    def fit(recipe: Recipe, at: datetime) -> Bundle:
        fitted_one_by_one.append(recipe)
        return History.fit(history, recipe, at)

    monkeypatch.setattr(history, "fit", fit)
    blend = blend_of([Ingredient(knn, Say(1.0)), Ingredient(plain, Say(0.5))])
    bundles = history.fit_all({"plain": plain, "blend": blend}, history.span.cutoff, silent)
    assert fitted_one_by_one == [plain, knn]
    whole = blend.fit(history.dataset(history.span.cutoff), history.created_at)
    assert bundles["blend"].manifest.parts == whole.manifest.parts
    assert all((bundles["blend"].arrays[name] == of).all() for name, of in whole.arrays.items())
