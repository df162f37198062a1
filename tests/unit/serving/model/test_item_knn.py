from __future__ import annotations

import numpy as np
import pytest

from features.errors import BundleError
from features.event import EventType
from serving.model.arrays import Array
from serving.model.basket import Basket
from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from tests.unit.serving.model.samples import bundle_of

# apple: itself 1.0, bread 0.5; bread: itself 1.0, apple 0.5, crème 0.25; crème: nobody.
ROWS: dict[str, Array] = {
    "neighbour_starts": np.array([0, 2, 5, 5], np.int32),
    "neighbours": np.array([0, 1, 0, 1, 2], np.int32),
    "similarities": np.array([1.0, 0.5, 0.5, 1.0, 0.25], np.float32),
}


def bundle(**changed: Array) -> Bundle:
    """The three items above."""
    return bundle_of("item_knn", arrays=ROWS | changed)


def basket(**weights: float) -> Basket:
    """Weights by item."""
    rows = {"apple": 0, "bread": 1, "cream": 2}
    kinds = (EventType.PURCHASE,) * len(weights)
    return Basket(
        np.array([rows[name] for name in weights], np.int32),
        np.array(list(weights.values()), np.float32),
        kinds,
    )


def test_a_score_is_the_weighed_sum_of_likenesses() -> None:
    scores = open_scorer(bundle()).score([basket(apple=2.0, bread=1.0), basket(), basket(cream=1)])
    assert scores.tolist() == [[2.5, 2.0, 0.25], [0.0] * 3, [0.0] * 3]
    assert scores.dtype == np.float32


def test_no_basket_at_all_scores_nothing() -> None:
    assert open_scorer(bundle()).score([]).shape == (0, 3)


def test_the_reason_is_what_adds_most() -> None:
    rows = np.array([0, 1, 2])
    because = open_scorer(bundle()).because(basket(apple=3.0, bread=1.0), rows)
    assert because.tolist() == [0, 0, 1]


def test_there_is_no_reason_where_nothing_adds() -> None:
    scorer = open_scorer(bundle())
    assert scorer.because(basket(apple=1.0), np.array([2])).tolist() == [-1]
    assert scorer.because(basket(), np.array([0, 1])).tolist() == [-1, -1]
    assert scorer.because(basket(apple=1.0), np.array([], np.int64)).tolist() == []


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
    assert open_scorer(bundle(**nobody)).score([basket(apple=1.0)]).tolist() == [[0.0] * 3]
