"""Ranking metrics against numbers worked out by hand.

Three customers, slates of four. Anna has 3 targets, at places 1 and 3. Ben has 6 targets, one of
them at place 2. Cleo has 1 target and no hit. With 1/log2(place + 1): 1, 0.63093, 0.5, 0.43068.
"""

from __future__ import annotations

import numpy as np
import pytest

from serving.ranking.top import EMPTY
from training.auc import auc, beaten_by
from training.hits import Hits, hit_metrics
from training.metrics import rank_metrics
from training.slate_metrics import Backdrop, slate_metrics

HITS = np.array([[True, False, True, False], [False, True, False, False], [False] * 4])
TARGETS = np.array([3, 6, 1])

AT_4 = {
    "ndcg_4": [1.5 / 2.13093, 0.63093 / 2.56161, 0.0],
    "recall_4": [2 / 3, 1 / 6, 0.0],
    "precision_4": [0.5, 0.25, 0.0],
    "map_4": [(1 + 2 / 3) / 3, 0.5 / 4, 0.0],
    "mrr_4": [1.0, 0.5, 0.0],
    "hit_rate_4": [1.0, 1.0, 0.0],
}
AT_2 = {
    "ndcg_2": [1 / 1.63093, 0.63093 / 1.63093, 0.0],
    "recall_2": [1 / 3, 1 / 6, 0.0],
    "precision_2": [0.5, 0.5, 0.0],
    "map_2": [0.5, 0.25, 0.0],
    "mrr_2": [1.0, 0.5, 0.0],
    "hit_rate_2": [1.0, 1.0, 0.0],
}


@pytest.mark.parametrize(("k", "expected"), [(4, AT_4), (2, AT_2)])
def test_rank_metrics_are_what_a_hand_computes(k: int, expected: dict[str, list[float]]) -> None:
    values = rank_metrics(HITS, TARGETS, k)
    assert set(values) == set(expected)
    for name, numbers in expected.items():
        assert values[name].tolist() == pytest.approx(numbers, abs=5e-6), name


def test_a_perfect_slate_scores_one_in_every_metric_but_recall() -> None:
    values = rank_metrics(np.ones((1, 4), bool), np.array([8]), 4)
    assert {name: value[0] for name, value in values.items()} == {
        "ndcg_4": pytest.approx(1.0),
        "recall_4": 0.5,
        "precision_4": 1.0,
        "map_4": 1.0,
        "mrr_4": 1.0,
        "hit_rate_4": 1.0,
    }


def auc_of(scores: list[float], targets: list[int], left_out: tuple[int, ...] = ()) -> float:
    """AUC of the targets at these places, without what the customer may not see."""
    known = np.array([scores], np.float32)
    known[0, list(left_out)] = -np.inf
    wanted = [place for place in targets if place not in left_out]
    beaten = beaten_by(known, known[0, wanted], np.zeros(len(wanted), int)).sum(keepdims=True)
    items = np.array([len(scores) - len(left_out)])
    return float(auc(beaten, np.array([len(wanted)]), items)[0])


def test_auc_is_what_a_hand_computes() -> None:
    # Targets score 4 and 2; others 3, 2 and 1: 4 beats all three; 2 beats one and ties with one.
    scores = [4.0, 3, 2, 2, 1]
    assert auc_of(scores, [0, 3]) == pytest.approx((3 + 1.5) / 6)
    assert auc_of(scores, [0]) == 1.0
    assert auc_of(scores, [4]) == 0.0


def test_auc_leaves_out_what_may_not_come() -> None:
    # Without 3 and one 2, the target 2 beats 1 and loses to 4.
    assert auc_of([4, 3, 2, 2, 1], [3], left_out=(1, 2)) == 0.5
    assert auc_of([9, 1, 2, 9], [0, 2], left_out=(0, 3)) == 1.0
    assert np.isnan(auc_of([9, 1, 2, 9], [0, 3], left_out=(0, 3)))
    assert np.isnan(auc_of([9, 1, 2, 9], [1, 2], left_out=(0, 3)))
    assert np.isnan(auc_of([9, 1, 2, 9], [], left_out=(0, 3)))


def test_slates_are_described_by_what_a_hand_computes() -> None:
    # Four items: 8, 4, 2 and 1 of eight customers had them; the first two are of one category.
    backdrop = Backdrop(
        bits=np.array([0.0, 1.0, 2.0, 3.0]),
        percentile=np.array([0.875, 0.625, 0.375, 0.125]),
        category=np.array([0, 0, 1, -1]),
        taste=np.array([0.5, 0.125, np.nan]),
    )
    shown = np.array([[0, 1, 2], [3, 2, EMPTY], [EMPTY] * 3])
    values = slate_metrics(shown, backdrop, 3)
    assert values["novelty_3"][:2].tolist() == [1.0, 2.5]
    assert values["diversity_3"][:2].tolist() == [pytest.approx(2 / 3), 1.0]
    assert values["popularity_lift_3"][:2].tolist() == [0.125, 0.125]
    assert all(np.isnan(of[2]) for of in values.values())
    assert slate_metrics(shown, backdrop, 2)["diversity_2"][0] == 0.0
    assert np.isnan(slate_metrics(shown, backdrop, 1)["diversity_1"]).all()


def test_what_hits_are_worth_is_what_a_hand_computes() -> None:
    # Targets: the first place at 7.50, bought before; the third at 2.00, new; one more is missed.
    found = Hits(
        hits=np.array([[True, False, True]]),
        again=np.array([[True, False, False]]),
        spend=np.array([[7.5, 0.0, 2.0]]),
        targets=np.array([3]),
        again_targets=np.array([1]),
        priced=True,
    )
    values = {name: of[0] for name, of in hit_metrics(found, 3, repeats=True).items()}
    assert values["revenue_3"] == 9.5
    assert (values["recall_again_3"], values["ndcg_again_3"]) == (1.0, 1.0)
    assert values["recall_new_3"] == 0.5
    assert values["ndcg_new_3"] == pytest.approx(0.5 / 1.63093, abs=5e-6)
    assert hit_metrics(found, 2, repeats=False)["revenue_2"][0] == 7.5
