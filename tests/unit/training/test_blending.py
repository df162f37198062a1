from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.sparse import csr_array

from features.item import Item
from serving.model.bundle import Bundle
from serving.model.linear import IN, OUT
from serving.model.manifest import Say
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import bundle_of
from tests.unit.training.samples import AT, SIZE, checkerboard_dataset, checkerboard_held_out
from training.blending import choices_of, fit_blend, fit_weights, softmax_loss
from training.dataset import Dataset, dataset_of
from training.evaluate import EXPLORE, REPEAT, evaluate, question_blocks
from training.heldout import HeldOut, Wanted, held_out_of
from training.recommenders.blend import Ingredient, blend_of, without_silent
from training.recommenders.popularity import PopularityParams
from training.recommenders.recipe import Recipe, default_recipe

CUSTOMERS, ITEMS, TASTES = 80, 60, 3
NAMES = tuple(f"item-{n:02}" for n in range(ITEMS))
PLAIN = Weighting(half_life_days=None)
RECIPE = Recipe("popularity", PopularityParams(), PLAIN)
Floats = NDArray[np.float32]


def shop(seed: int = 5) -> tuple[Dataset, HeldOut, list[Floats]]:
    """Customers with two tastes each, which two models know one of each, and what they buy next.

    Returns:
        What was bought before, what after, and the item vectors of three models; the third knows
        nothing.
    """
    random = np.random.default_rng(seed)
    vectors = [random.random((ITEMS, TASTES)).astype(np.float32) ** 4 for _ in range(3)]
    owned = random.random((CUSTOMERS, ITEMS)) < 0.1
    owned[:, 0] = True
    liked = sum(
        _comparable((owned @ vector) @ vector.T) for vector in vectors[:2]
    ) + 0.05 * random.random((CUSTOMERS, ITEMS))
    liked[owned] = 0
    next_ones = np.zeros((CUSTOMERS, ITEMS))
    np.put_along_axis(next_ones, np.argsort(-liked, axis=1)[:, :4], 1, axis=1)
    customers = [f"ck_{n:032x}" for n in range(CUSTOMERS)]
    before, after = (csr_array(cells.astype(np.float32)) for cells in (owned, next_ones))
    span = (AT, AT + timedelta(days=1))
    dataset = dataset_of(before, customers, NAMES, PLAIN, AT)
    return dataset, held_out_of(before, after, customers, NAMES, span), vectors


def _comparable(scores: Floats) -> Floats:
    greatest: Floats = scores / scores.max(axis=1, keepdims=True)
    return greatest


def model(vectors: Floats) -> Bundle:
    """Scores by the inner product of item vectors."""
    return bundle_of("graph_filter", NAMES, arrays={IN: vectors, OUT: vectors})


def ndcg(bundle: Bundle, held_out: HeldOut) -> float:
    """How well it finds what is new to a customer."""
    return evaluate(bundle, held_out)[EXPLORE].means()["ndcg_10"]


def test_a_blend_knows_what_its_parts_know_together_and_leaves_noise_out() -> None:
    dataset, held_out, vectors = shop()
    bundles = [model(one) for one in vectors]
    blend = fit_blend([RECIPE] * 3, choices_of(bundles, held_out, None))
    first, second, noise = (one.new.weight + one.new.root for one in blend.params.ingredients)
    assert min(first, second) > 5 * abs(noise)
    mixed = blend.mix(bundles, dataset, AT)
    alone = max(ndcg(one, held_out) for one in bundles)
    assert ndcg(mixed, held_out) > 0.95 > alone + 0.1


def test_what_is_bought_again_is_weighed_apart_from_what_is_new() -> None:
    dataset, held_out, vectors = shop()
    again = held_out.traded  # everybody buys all that he has once more, and nothing else
    nothing = np.zeros(len(again.items))
    repeated = replace(held_out, wanted=Wanted(again.starts, again.items, nothing))
    bundles = [model(vectors[0])]
    blend = fit_blend([RECIPE], choices_of(bundles, repeated, None))
    assert blend.params.again > 0
    answers = evaluate(blend.mix(bundles, dataset, AT), repeated, blocks=question_blocks()[1:])
    assert answers[REPEAT].means()["recall_20"] == 1.0
    # The order among new items is what it was: nobody told anything of it.
    bought_new = fit_blend([RECIPE], choices_of(bundles, held_out, None))
    assert bought_new.params.ingredients[0].new.root > 0
    assert bought_new.params.again < 0


def test_the_slope_is_that_of_the_loss() -> None:
    random = np.random.default_rng(1)
    wanted = np.array([1, 0, 0, 1, 1, 0, 0, 1, 0], np.bool_)
    starts = np.array([0, 3, 7])
    error = check_grad(
        lambda scores: softmax_loss(scores, wanted, starts)[0],
        lambda scores: softmax_loss(scores, wanted, starts)[1],
        random.random(9),
    )
    assert error < 1e-6


def test_equal_candidates_cost_the_logarithm_of_their_number() -> None:
    wanted = np.array([1, 0, 0, 0], np.bool_)
    assert softmax_loss(np.ones(4), wanted, np.array([0]))[0] == pytest.approx(np.log(4))


def test_candidates_are_the_best_new_items_of_each_part_and_all_that_a_customer_has() -> None:
    _, held_out, vectors = shop()
    choices = choices_of([model(vectors[0])], held_out, None)
    assert choices.had.sum() == len(held_out.traded.items)
    assert choices.wanted.sum() == 4 * CUSTOMERS
    assert not (choices.had & choices.wanted).any()
    assert 0 <= choices.known.min() <= choices.known.max() == 1.0


def test_candidates_are_what_may_be_shown_new_items_before_those_that_nobody_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.blending.DEPTH", 2)
    held_out = checkerboard_held_out()
    bundle = default_recipe("personal").fit(checkerboard_dataset(), AT)
    # Everybody has five of twelve items, and personal frequency scores no other.
    choices = choices_of([bundle], held_out, None)
    assert np.bincount(choices.customers).tolist() == [5 + 2] * SIZE
    sold_out = {
        item: Item(id=item, title=item, in_stock=item != "item-04") for item in bundle.items
    }
    left = choices_of([bundle], held_out, sold_out)
    # Of the six who bought even items, all but the fourth had that one.
    assert sorted(np.bincount(left.customers).tolist()) == [4 + 2] * 5 + [5 + 2] * 7


def test_parts_that_say_the_same_share_their_weight() -> None:
    _, held_out, vectors = shop()
    bundles = [model(vector) for vector in (vectors[0], vectors[0])]
    choices = choices_of(bundles, held_out, None)
    ours, theirs = fit_weights(choices)[0].reshape(2, -1).T
    assert ours == pytest.approx(theirs)
    # Held back, but far from silenced.
    assert 1.0 < float(np.abs(ours).max()) < 4.0


def test_without_any_choice_all_parts_count_the_same() -> None:
    _, held_out, vectors = shop()
    nobody = replace(
        held_out, wanted=held_out.wanted.where(np.zeros(len(held_out.wanted.items), np.bool_))
    )
    new, again, _ = fit_weights(choices_of([model(one) for one in vectors], nobody, None))
    assert new.tolist() == again.tolist() == [1.0] * 6


def test_a_part_that_counts_next_to_nothing_is_left_out() -> None:
    quiet = Ingredient(RECIPE, Say())
    loud = Ingredient(RECIPE, Say(1.0), Say(0.0, -0.5))
    assert without_silent(blend_of([quiet, loud, quiet], 0.25)) == blend_of([loud], 0.25)
    assert without_silent(blend_of([quiet, quiet])) == blend_of([quiet])
