from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.compare.samples import paired
from training.compare.found import LEAST_SLICE, pair, sliced, verdict
from training.compare.report import Slice
from training.metrics import Interval

NAMES = ("recommender/1", "recommender/2")


@pytest.mark.parametrize(
    ("metric", "low", "high", "mark"),
    [
        ("ndcg_20", 0.1, 0.2, "better"),
        ("log_loss", 0.1, 0.2, "worse"),
        ("log_loss", -0.2, -0.1, "better"),
        ("ndcg_20", -0.2, -0.1, "worse"),
        ("ndcg_20", -0.1, 0.2, "level"),
        ("ndcg_20", 0.0, 0.0, "level"),
        ("ndcg_20", float("nan"), float("nan"), "unknown"),
    ],
)
def test_only_a_sure_difference_is_called_better_or_worse(
    metric: str, low: float, high: float, mark: str
) -> None:
    side = Interval(0.5, 0.4, 0.6)
    assert pair(metric, (side, side), Interval((low + high) / 2, low, high)).mark == mark


def test_without_a_difference_nothing_is_told() -> None:
    side = Interval(0.5, 0.4, 0.6)
    found = pair("coverage_20", (side, side), None)
    assert (found.mark, found.difference) == ("unknown", None)


def test_the_verdict_names_metric_interval_and_customers() -> None:
    mark, said = verdict(NAMES, paired("explore/ndcg_20", 0.05), 1_234, ())
    assert mark == "better"
    assert said == (
        "recommender/2 is better than recommender/1: explore/ndcg_20 0.3500 against 0.3000, a "
        "difference of +0.0500 (95 % interval +0.0400 to +0.0600) over 1,234 customers."
    )
    assert verdict(NAMES, paired("ndcg_20", -0.05), 10, ())[1].startswith(
        "recommender/2 is worse than recommender/1"
    )


def test_of_many_slices_of_chance_alone_none_is_called_different() -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(size=(2, 3_000))
    masks = {f"slice {n}": np.arange(3_000) % 60 == n for n in range(60)}
    assert {one.found.mark for one in sliced("ndcg_20", a, b, masks)} == {"level"}
    # Asked one by one, some would be.
    alone = [sliced("ndcg_20", a, b, {name: mask})[0] for name, mask in masks.items()]
    assert {one.found.mark for one in alone} > {"level"}


def test_a_slice_is_told_of_its_own_customers_if_they_are_enough() -> None:
    a, b = np.zeros(40), np.where(np.arange(40) < LEAST_SLICE, 1.0, 0.0)
    few, enough = np.arange(40) < LEAST_SLICE - 1, np.arange(40) < LEAST_SLICE
    [found] = sliced("ndcg_20", a, b, {"few": few, "enough": enough})
    assert (found.name, found.customers, found.found.mark) == ("enough", LEAST_SLICE, "better")
    assert found.found.difference is not None
    assert found.found.difference.value == 1.0


def test_the_verdict_says_who_fares_otherwise() -> None:
    slices = tuple(
        Slice(name=name, customers=50, found=paired("ndcg_20", gap))
        for name, gap in (("new", -0.1), ("light", 0.1), ("heavy", 0.001))
    )
    better = verdict(NAMES, paired("ndcg_20", 0.05), 10, slices)[1]
    assert better.endswith("It does worse for some: new.")
    worse = verdict(NAMES, paired("ndcg_20", -0.05), 10, slices)[1]
    assert worse.endswith("It does better for some: light.")


def test_what_is_equal_has_no_difference_at_all() -> None:
    mark, said = verdict(NAMES, paired("ndcg_20", 0.0, 0.0), 10, ())
    assert mark == "level"
    assert "Neither of recommender/1 and recommender/2 is surely better" in said
    assert "no difference at all" in said


def test_what_was_not_judged_together_can_not_be_told() -> None:
    assert verdict(NAMES, None, 0, ()) == (
        "unknown",
        "Which of recommender/1 and recommender/2 is better can't be told.",
    )
