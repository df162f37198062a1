from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from features.errors import NotEnoughData
from features.item import Item
from serving.model.weighting import Weighting
from serving.ranking.blocks import Block
from tests.unit.training.tuning.changing import DEFAULT, FORGETFUL, changing_ground
from training.evaluate import EXPLORE, REPEAT, evaluate
from training.recommenders.recipe import default_recipe
from training.tuning.ground import SHARES, Ground


@pytest.fixture(scope="module")
def ground() -> Ground:
    return changing_ground()


@pytest.mark.parametrize("algorithm", ["item_knn", "popularity"])
def test_a_score_is_what_the_whole_evaluation_says(ground: Ground, algorithm: str) -> None:
    bundle = ground.fit(default_recipe(algorithm))
    whole = evaluate(bundle, ground.held_out)
    assert ground.score(bundle) == pytest.approx(whole[EXPLORE].summary["ndcg_20"].mean)
    again = replace(ground, block=Block(name=REPEAT, size=4, allow_repeats=True), metric="recall_4")
    assert again.score(bundle) == pytest.approx(whole[REPEAT].summary["recall_4"].mean)


def test_the_catalogue_is_kept_to(ground: Ground) -> None:
    sold_out = {name: Item(id=name, title=name, in_stock=False) for name in ground.dataset.items}
    assert replace(ground, catalogue=sold_out).score(ground.fit(DEFAULT)) == 0


def test_shares_grow_until_all_customers_are_asked(ground: Ground) -> None:
    bundle = ground.fit(DEFAULT)
    scores = list(ground.scores(bundle))
    assert len(scores) == len(SHARES)
    assert scores[-1] == ground.score(bundle)
    eighth = replace(ground, held_out=ground.held_out.picked(np.arange(10)))
    assert scores[0] == pytest.approx(eighth.score(bundle))


def test_a_recipe_is_weighed_as_it_says_and_leaves_nothing_behind(ground: Ground) -> None:
    known = len(ground.dataset.baskets._weighed)
    bundle = ground.fit(FORGETFUL)
    assert bundle.manifest.weighting == Weighting(half_life_days=5.0)
    assert len(ground.dataset.baskets._weighed) == known


def test_the_digest_names_all_that_scores_depend_on(ground: Ground) -> None:
    held_out = ground.held_out
    later = msgspec.structs.replace(ground.dataset.data, lake_version=8)
    others = [
        replace(ground, metric="recall_20"),
        replace(ground, catalogue={"a": Item(id="a", title="A")}),
        replace(ground, held_out=held_out.picked(np.arange(20))),
        replace(ground, held_out=replace(held_out, at=held_out.at + timedelta(days=1))),
        replace(ground, dataset=replace(ground.dataset, data=later)),
    ]
    digests = {one.digest for one in (ground, *others)}
    assert len(digests) == 1 + len(others)
    assert changing_ground().digest == ground.digest


def test_the_order_of_the_catalogue_makes_no_difference(ground: Ground) -> None:
    items = {name: Item(id=name, title=name) for name in "ab"}
    turned = dict(reversed(items.items()))
    assert replace(ground, catalogue=items).digest == replace(ground, catalogue=turned).digest


def test_two_customers_are_enough_for_a_score(ground: Ground) -> None:
    pair = replace(ground, held_out=ground.held_out.picked(np.arange(2)))
    pair.check()
    scores = list(pair.scores(ground.fit(DEFAULT)))
    assert len(scores) == len(SHARES)
    assert scores[0] == scores[1] == scores[2]


def test_a_ground_without_targets_is_none(ground: Ground) -> None:
    alone = replace(ground, held_out=ground.held_out.picked(np.arange(1)))
    with pytest.raises(NotEnoughData, match="1 of 1 customers have a target"):
        alone.check()
