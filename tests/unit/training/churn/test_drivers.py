"""Drivers: exact Shapley values of what a churn model says."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest

from features.errors import BundleError
from tests.unit.training.churn.samples import AT, SOURCE, make_snapshot
from training.churn.fit import BoostingParams, fit_blend, fit_logistic, fit_silence
from training.churn.model import ChurnModel
from training.churn.shapley import WIDEST
from training.churn.trees import Trees

SNAPSHOTS = [make_snapshot(300, number=n) for n in range(3)]


@pytest.fixture(scope="module")
def blend() -> ChurnModel:
    return fit_blend(SNAPSHOTS, BoostingParams(trees=40), SOURCE, AT)


def small_tree() -> Trees:
    """Splits by column 0, then on the right by column 1, then on its left by column 0 again."""
    children = [[1, 2], [1, 1], [3, 4], [5, 6], [4, 4], [5, 5], [6, 6]]
    return Trees(
        roots=np.array([0], np.int32),
        feature=np.array([0, 0, 1, 0, 0, 0, 0], np.int32),
        threshold=np.array([1.0, 0, 5, 3, 0, 0, 0]),
        missing_left=np.zeros(7, np.uint8),
        children=np.array(children, np.int32),
        value=np.array([0.0, 1, 0, 0, -2, 4, 8]),
        cover=np.array([100.0, 40, 60, 30, 30, 10, 20]),
        base=0.5,
    )


def expected(trees: Trees, row: np.ndarray, told: set[int], node: int = 0) -> float:
    """What the tree says when only some columns are told, by walking both ways where it is not."""
    left, right = trees.children[node]
    if left == node:
        return float(trees.value[node])
    if trees.feature[node] in told:
        way = right if row[trees.feature[node]] > trees.threshold[node] else left
        return expected(trees, row, told, way)
    return float(
        sum(
            trees.cover[child] / trees.cover[node] * expected(trees, row, told, child)
            for child in (left, right)
        )
    )


@pytest.mark.parametrize("row", [(0.0, 0.0), (2.0, 4.0), (9.0, 4.0), (2.0, 6.0)])
def test_contributions_are_shapleys_mean_over_all_orders(row: tuple[float, float]) -> None:
    trees, values = small_tree(), np.array(row)
    means = np.zeros(2)
    for order in permutations(range(2)):
        for place, column in enumerate(order):
            told = set(order[:place])
            gain = expected(trees, values, told | {column}) - expected(trees, values, told)
            means[column] += gain / factorial(2)
    found, base = trees.contributions(values[None, :])
    np.testing.assert_allclose(found[0], means, atol=1e-12)
    assert base == pytest.approx(0.5 + expected(trees, values, set()))


def test_contributions_sum_to_the_log_odds_of_every_model(blend: ChurnModel) -> None:
    features = {**make_snapshot(number=8).features}
    features["spend"] = np.where(features["spend"] < 1, np.nan, features["spend"])
    models = [blend, *(fit(SNAPSHOTS, SOURCE, AT) for fit in (fit_logistic, fit_silence))]
    for model in models:
        added, base = model.contributions(features)
        table = model._table(features)
        np.testing.assert_allclose(
            added.sum(axis=1) + base, model.core.log_odds(table), rtol=0, atol=1e-10
        )


def test_what_drives_churn_is_named_first_with_its_direction(blend: ChurnModel) -> None:
    snapshot = make_snapshot(number=8)
    recency = snapshot.features["recency_days"]
    drivers = blend.drivers(snapshot.features, top=2)
    assert all(len(one) == 2 for one in drivers)
    for row, sign in ((int(np.argmin(recency)), -1), (int(np.argmax(recency)), 1)):
        of_recency = [one for one in drivers[row] if one.feature in {"recency_days", "silence"}]
        assert of_recency
        assert np.sign(of_recency[0].contribution) == sign


def test_the_strongest_comes_first_and_what_adds_nothing_is_left_out() -> None:
    model = fit_silence(SNAPSHOTS, SOURCE, AT)
    drivers = model.drivers(make_snapshot(5, number=8).features, top=3)
    assert [[one.feature for one in row] for row in drivers] == [["silence"]] * 5


def test_a_path_too_wide_to_be_explained_is_refused() -> None:
    depth = WIDEST + 1
    count = 2 * depth + 1
    trees = Trees(
        roots=np.array([0], np.int32),
        feature=(np.arange(count) // 2).astype(np.int32),
        threshold=np.zeros(count),
        missing_left=np.zeros(count, np.uint8),
        children=np.array(chain(depth), np.int32),
        value=np.zeros(count),
        cover=np.ones(count),
        base=0.0,
    )
    with pytest.raises(BundleError, match=f"{depth} features on one path"):
        trees.contributions(np.zeros((1, count)))


def chain(depth: int) -> list[list[int]]:
    """Children of a tree that grows on its right side only."""
    pairs = []
    for node in range(2 * depth + 1):
        inner = node % 2 == 0 and node < 2 * depth
        pairs.append([node + 1, node + 2] if inner else [node, node])
    return pairs
