from __future__ import annotations

import numpy as np
import pytest

from features.errors import BundleError
from features.event import EventType
from serving.model.als import AlsScorer
from serving.model.basket import Basket
from serving.model.bundle import Bundle
from serving.model.manifest import Param
from serving.model.scoring import open_scorer
from tests.unit.serving.model.samples import bundle_of

PARAMS: dict[str, Param] = {"regularization": 0.5, "alpha": 2.0}
FACTORS = np.random.default_rng(7).standard_normal((6, 3)).astype(np.float32)
ITEMS = tuple("abcdef")


def bundle(**params: Param) -> Bundle:
    """Six items with random factors."""
    return bundle_of("als", ITEMS, PARAMS | params, {"item_factors": FACTORS})


def basket(rows: list[int], weights: list[float]) -> Basket:
    """A basket of purchases."""
    kinds = (EventType.PURCHASE,) * len(rows)
    return Basket(np.array(rows, np.int32), np.array(weights, np.float32), kinds)


BASKET = basket([1, 4], [1.0, 3.0])


def test_the_vector_minimises_the_loss_of_the_paper() -> None:
    vector = AlsScorer(bundle()).vectors([BASKET])[0]
    wanted = np.isin(np.arange(6), BASKET.rows).astype(float)
    confidence = np.ones(6)
    confidence[BASKET.rows] += 2.0 * BASKET.weights

    def loss(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        return float((confidence * (wanted - FACTORS @ x) ** 2).sum() + 0.5 * x @ x)

    for direction in (*np.eye(3), *-np.eye(3)):
        assert loss(vector + 1e-3 * direction) > loss(vector)


def test_scores_are_inner_products_and_an_empty_basket_scores_nothing() -> None:
    scorer = AlsScorer(bundle())
    scores = scorer.score([BASKET, basket([], [])])
    np.testing.assert_allclose(scores[0], FACTORS @ scorer.vectors([BASKET])[0], rtol=1e-5)
    assert scores[1].tolist() == [0.0] * 6
    assert scores.dtype == np.float32


def test_a_batch_scores_as_each_alone() -> None:
    scorer = open_scorer(bundle())
    baskets = [BASKET, basket([0], [0.5])]
    alone = np.vstack([scorer.score([one]) for one in baskets])
    np.testing.assert_allclose(scorer.score(baskets), alone, rtol=1e-5)


def test_the_reason_is_the_item_without_which_the_score_falls_most() -> None:
    scorer = AlsScorer(bundle())
    system, pulls = scorer._system(BASKET)
    shares = FACTORS @ np.linalg.solve(system, pulls)
    np.testing.assert_allclose(shares.sum(axis=1), scorer.score([BASKET])[0], rtol=1e-4)
    because = scorer.because(BASKET, np.arange(6))
    for row, reason in enumerate(because):
        assert reason == (shares[row].argmax() if shares[row].max() > 0 else -1)


def test_an_empty_basket_has_no_reason() -> None:
    scorer = open_scorer(bundle())
    assert scorer.because(basket([], []), np.array([0, 1])).tolist() == [-1, -1]
    assert scorer.because(BASKET, np.array([], np.int64)).tolist() == []


def test_similar_items_come_by_cosine_without_the_item_itself() -> None:
    rows, scores = open_scorer(bundle()).similar(2, 3)
    unit = FACTORS / np.linalg.norm(FACTORS, axis=1, keepdims=True)
    cosines = unit @ unit[2]
    assert rows.tolist() == [row for row in np.argsort(-cosines).tolist() if row != 2][:3]
    np.testing.assert_allclose(scores, cosines[rows], rtol=1e-5)


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (-1, 0), (5, 5), (99, 5)])
def test_as_many_similar_items_come_as_there_are(asked: int, given: int) -> None:
    rows, _ = open_scorer(bundle()).similar(0, asked)
    assert len(set(rows.tolist()) - {0}) == len(rows) == given


def test_an_item_without_factors_is_like_nothing() -> None:
    silent = np.vstack([FACTORS[:5], np.zeros((1, 3), np.float32)])
    _, scores = open_scorer(bundle_of("als", ITEMS, PARAMS, {"item_factors": silent})).similar(5, 2)
    assert scores.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "factors", [FACTORS[:5], FACTORS[:, :0], FACTORS[0], FACTORS.astype(float)]
)
def test_factors_that_do_not_fit_are_refused(
    factors: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    with pytest.raises(BundleError, match="item_factors"):
        open_scorer(bundle_of("als", ITEMS, PARAMS, {"item_factors": factors}))


@pytest.mark.parametrize("value", [None, "much", -1.0])
def test_a_parameter_that_is_no_number_is_refused(value: Param) -> None:
    with pytest.raises(BundleError, match=r"params\.alpha"):
        open_scorer(bundle(alpha=value))
