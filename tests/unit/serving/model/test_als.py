from __future__ import annotations

import numpy as np
import pytest

from features.errors import BundleError
from serving.model.als import AlsScorer
from serving.model.bundle import Bundle
from serving.model.manifest import Param
from serving.model.scoring import open_scorer
from tests.unit.serving.model.samples import bundle_of, purchases

PARAMS: dict[str, Param] = {"regularization": 0.5, "alpha": 2.0}
FACTORS = np.random.default_rng(7).standard_normal((6, 3)).astype(np.float32)
ITEMS = tuple("abcdef")


def bundle(**params: Param) -> Bundle:
    """Six items with random factors."""
    return bundle_of("als", ITEMS, PARAMS | params, {"item_factors": FACTORS})


BASKET = purchases({1: 1, 4: 3}, items=6)
NOBODY = purchases({}, items=6)


def test_the_vector_minimises_the_loss_of_the_paper() -> None:
    vector = AlsScorer(bundle()).vectors(BASKET)[0]
    wanted = np.isin(np.arange(6), [1, 4]).astype(float)
    confidence = np.array([1.0, 3.0, 1.0, 1.0, 7.0, 1.0])

    def loss(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        return float((confidence * (wanted - FACTORS @ x) ** 2).sum() + 0.5 * x @ x)

    for direction in (*np.eye(3), *-np.eye(3)):
        assert loss(vector + 1e-3 * direction) > loss(vector)


def test_scores_are_inner_products_and_an_empty_basket_scores_nothing() -> None:
    scorer = AlsScorer(bundle())
    both = purchases({1: 1, 4: 3}, {}, items=6)
    scores = scorer.score(both)
    np.testing.assert_allclose(scores[0], FACTORS @ scorer.vectors(both)[0], rtol=1e-5)
    assert scores[1].tolist() == [0.0] * 6
    assert scores.dtype == np.float32


def test_a_batch_scores_as_each_alone() -> None:
    scorer = open_scorer(bundle())
    random = np.random.default_rng(3)
    many = [
        {int(row): 1 + int(row) % 3 for row in random.permutation(6)[:count]}
        for count in random.integers(0, 7, 150)
    ]
    alone = np.vstack([scorer.score(purchases(one, items=6)) for one in many])
    np.testing.assert_allclose(scorer.score(purchases(*many, items=6)), alone, rtol=1e-4, atol=1e-6)


def test_who_has_more_items_is_regularised_more_where_frequency_counts() -> None:
    few, many = purchases({0: 1}, items=6), purchases({0: 1, 1: 1, 2: 1}, items=6)
    for basket, count in ((few, 1), (many, 3)):
        mean = 3 / 2  # interactions and customers of the data that the bundle names
        plain = AlsScorer(bundle(regularization=0.5 * (count / mean) ** 1.5))
        grown = AlsScorer(bundle(frequency=1.5))
        np.testing.assert_allclose(grown.score(basket), plain.score(basket), rtol=1e-4, atol=1e-6)


def test_shares_add_up_to_the_score() -> None:
    scorer = AlsScorer(bundle())
    shares = scorer.tastes(BASKET).shares([np.arange(6)])[0]
    assert shares.items.tolist() == [1, 4]
    np.testing.assert_allclose(
        shares.values.sum(axis=1), scorer.score(BASKET)[0], rtol=1e-4, atol=1e-6
    )


def test_an_empty_basket_shares_nothing() -> None:
    scorer = open_scorer(bundle())
    assert scorer.tastes(NOBODY).shares([np.array([0, 1])])[0].values.shape == (2, 0)
    assert scorer.tastes(BASKET).shares([np.array([], np.int64)])[0].values.shape == (0, 0)


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
