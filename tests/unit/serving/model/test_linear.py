from __future__ import annotations

import numpy as np
import pytest

from features.errors import BundleError
from serving.model.arrays import Array
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.manifest import Param
from serving.model.scoring import open_scorer
from tests.unit.serving.model.samples import bundle_of, purchases

# apple: itself 1.0, bread 0.5; bread: itself 1.0, apple 0.5, crème 0.25; crème: nobody.
ROWS: dict[str, Array] = {
    "neighbour_starts": np.array([0, 2, 5, 5], np.int32),
    "neighbours": np.array([0, 1, 0, 1, 2], np.int32),
    "similarities": np.array([1.0, 0.5, 0.5, 1.0, 0.25], np.float32),
}


def bundle(**changed: Array) -> Bundle:
    """The three items above."""
    return bundle_of("item_knn", arrays=ROWS | changed)


def basket(**counts: int) -> Baskets:
    """One customer's purchases, by item."""
    rows = {"apple": 0, "bread": 1, "cream": 2}
    return purchases({rows[name]: count for name, count in counts.items()}, items=3)


def test_a_score_is_the_weighed_sum_of_likenesses() -> None:
    scores = open_scorer(bundle()).score(purchases({0: 2, 1: 1}, {}, {2: 1}, items=3))
    assert scores.tolist() == [[2.5, 2.0, 0.25], [0.0] * 3, [0.0] * 3]
    assert scores.dtype == np.float32


def test_no_basket_at_all_scores_nothing() -> None:
    assert open_scorer(bundle()).score(purchases(items=3)).shape == (0, 3)


def test_a_power_makes_repeats_count_less() -> None:
    rooted = bundle_of("item_knn", params={"power": 0.5}, arrays=ROWS)
    assert open_scorer(rooted).score(basket(apple=4)).tolist() == [[2.0, 1.0, 0.0]]


IN = np.array([[1, 0], [0, 2], [1, 1]], np.float32)
OUT = np.array([[1, 1], [3, 0], [0, 1]], np.float32)
FACTORS: dict[str, Array] = {"in_factors": IN, "out_factors": OUT}


def test_factors_give_as_well() -> None:
    alone = open_scorer(bundle_of("graph_filter", arrays=FACTORS))
    assert alone.score(basket(apple=1, bread=1)).tolist() == [(IN[:2] @ OUT.T).sum(0).tolist()]
    both = open_scorer(bundle_of("graph_filter", arrays=ROWS | FACTORS))
    assert both.score(basket(apple=1)).tolist() == [[2.0, 3.5, 0.0]]
    assert both.similar(0, 2)[0].tolist() == [1]
    assert alone.similar(2, 5)[0].tolist() == [1, 0]


@pytest.mark.parametrize("arrays", [ROWS, FACTORS, ROWS | FACTORS])
def test_shares_add_up_to_the_score(arrays: dict[str, Array]) -> None:
    scorer = open_scorer(bundle_of("ease", params={"power": 0.5}, arrays=arrays))
    someone = basket(apple=4, cream=1)
    shares = scorer.tastes(someone).shares([np.array([2, 0])])[0]
    assert shares.items.tolist() == [0, 2]
    np.testing.assert_allclose(shares.values.sum(axis=1), scorer.score(someone)[0][[2, 0]])


def test_an_empty_basket_shares_nothing() -> None:
    scorer = open_scorer(bundle())
    assert scorer.tastes(basket()).shares([np.array([0, 1])])[0].values.shape == (2, 0)
    assert scorer.tastes(basket(apple=1)).shares([np.array([], np.int64)])[0].values.shape == (0, 0)


@pytest.mark.parametrize("power", [-0.1, 1.1, "much"])
def test_a_power_out_of_range_is_refused(power: Param) -> None:
    with pytest.raises(BundleError, match=r"params\.power"):
        open_scorer(bundle_of("ease", params={"power": power}, arrays=ROWS))


@pytest.mark.parametrize("arrays", [{}, {"in_factors": IN, "out_factors": OUT[:2]}])
def test_a_model_without_a_matrix_is_refused(arrays: dict[str, Array]) -> None:
    with pytest.raises(BundleError, match=r"in_factors"):
        open_scorer(bundle_of("ease", arrays=arrays))


def test_similar_items_come_best_first_without_the_item_itself() -> None:
    rows, scores = open_scorer(bundle()).similar(1, 5)
    assert (rows.tolist(), scores.tolist()) == ([0, 2], [0.5, 0.25])
    assert open_scorer(bundle()).similar(1, 1)[0].tolist() == [0]
    assert open_scorer(bundle()).similar(2, 5)[0].tolist() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"neighbours": np.array([0, 1, 0, 1, 3], np.int32)},
        {"neighbours": np.array([0, 1, 0, 1, -1], np.int32)},
        {"neighbours": np.array([0, 1], np.int32)},
        {"neighbours": np.array([0, 1, 0, 1, 2], np.int64)},
        {"similarities": np.zeros(4, np.float32)},
        {"neighbour_starts": np.array([0, 2, 5], np.int32)},
        {"neighbour_starts": np.array([1, 2, 5, 5], np.int32)},
        {"neighbour_starts": np.array([0, 6, 5, 5], np.int32)},
        {"neighbour_starts": np.array([0, 2, 4, 4], np.int32)},
    ],
)
def test_rows_that_are_no_matrix_are_refused(changed: dict[str, Array]) -> None:
    with pytest.raises(BundleError, match="neighbour"):
        open_scorer(bundle(**changed))


def test_items_without_any_neighbour_are_sound() -> None:
    nobody = {
        "neighbours": np.empty(0, np.int32),
        "similarities": np.empty(0, np.float32),
        "neighbour_starts": np.zeros(4, np.int32),
    }
    assert open_scorer(bundle(**nobody)).score(basket(apple=1)).tolist() == [[0.0] * 3]
