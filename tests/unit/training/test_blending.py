from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.sparse import csr_array

from serving.model.bundle import Bundle
from serving.model.linear import IN, OUT
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import bundle_of
from tests.unit.training.samples import AT
from training.blending import Choices, _loss, choices_of, fit_blend, fit_weights
from training.dataset import Dataset, dataset_of
from training.evaluate import EXPLORE, REPEAT, evaluate, question_blocks
from training.heldout import HeldOut, held_out_of
from training.recommenders.popularity import PopularityParams
from training.recommenders.recipe import Recipe

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
    blend = fit_blend([(RECIPE, one) for one in bundles], held_out, None, question_blocks())
    weights = [one.weight + one.root for one in blend.params]
    assert min(weights[:2]) > 5 * weights[2]
    mixed = blend.mix(bundles, dataset, AT)
    alone = max(ndcg(one, held_out) for one in bundles)
    assert ndcg(mixed, held_out) > 0.95 > alone + 0.1


def test_the_slope_is_that_of_the_loss() -> None:
    random = np.random.default_rng(1)
    choices = Choices(
        random.random((9, 4)).astype(np.float32),
        np.array([1, 0, 0, 1, 1, 0, 0, 1, 0], np.bool_),
        np.array([0, 3, 7]),
    )
    at = random.random(4)
    error = check_grad(
        lambda weights: _loss(choices, weights)[0],
        lambda weights: _loss(choices, weights)[1],
        at,
        epsilon=1e-3,
    )
    assert error < 2e-3


def test_equal_candidates_cost_the_logarithm_of_their_number() -> None:
    choices = Choices(np.ones((4, 2), np.float32), np.array([1, 0, 0, 0], np.bool_), np.array([0]))
    assert _loss(choices, np.ones(2))[0] == pytest.approx(np.log(4))


def test_candidates_are_what_the_question_may_show() -> None:
    _, held_out, vectors = shop()
    explore, repeat = choices_of([model(vectors[0])], held_out, None, question_blocks())
    assert [block.name for block in question_blocks()] == [EXPLORE, REPEAT]
    assert len(explore.wanted) < len(repeat.wanted)
    assert explore.wanted.sum() == repeat.wanted.sum() == 4 * CUSTOMERS
    np.testing.assert_allclose(explore.features[:, 1], np.sqrt(explore.features[:, 0]))


def test_customers_who_chose_none_of_the_candidates_are_left_out() -> None:
    _, held_out, vectors = shop()
    silent = bundle_of("graph_filter", NAMES, arrays={IN: vectors[0], OUT: vectors[0]})
    few = held_out.picked(np.arange(3))
    none_wanted = HeldOut(
        few.at,
        few.until,
        few.customers,
        few.items,
        few.seen,
        few.traded,
        few.wanted.where(np.zeros(len(few.wanted.items), np.bool_)),
    )
    (choices,) = choices_of([silent], none_wanted, None, question_blocks()[:1])
    assert len(choices.starts) == len(choices.wanted) == 0
    assert (fit_weights([choices]) >= 0).all()
