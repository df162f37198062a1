from __future__ import annotations

import numpy as np
import pytest

from training.metrics import (
    NDCG,
    RECALL,
    bootstrap,
    bootstrap_difference,
    bootstrap_mean,
    name_at,
)

VALUES = np.random.default_rng(1).normal(0.3, 0.1, 400)


def test_a_name_is_one_that_a_tracker_takes() -> None:
    assert [name_at(metric, 20) for metric in (NDCG, RECALL)] == ["ndcg_20", "recall_20"]


def test_an_interval_is_as_wide_as_theory_says() -> None:
    interval = bootstrap_mean(VALUES)
    error = VALUES.std() / np.sqrt(len(VALUES))
    assert interval.mean == pytest.approx(VALUES.mean())
    assert interval.low == pytest.approx(VALUES.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(VALUES.mean() + 1.96 * error, abs=0.15 * error)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert bootstrap_mean(VALUES) == bootstrap_mean(VALUES)
    assert bootstrap_mean(VALUES) != bootstrap_mean(VALUES, seed=1)


def test_a_difference_of_the_same_customers_is_surer_than_of_strangers() -> None:
    better = VALUES + 0.01
    paired = bootstrap_difference(better, VALUES)
    assert paired.low == pytest.approx(0.01)
    assert paired.high == pytest.approx(0.01)
    strangers = bootstrap_difference(np.sort(better), VALUES)
    assert strangers.low < 0 < strangers.high


def test_nan_is_left_out() -> None:
    interval = bootstrap_mean(np.array([1.0, np.nan, 1.0, 1.0]))
    assert (interval.mean, interval.low, interval.high) == (1.0, 1.0, 1.0)


def test_several_metrics_are_drawn_from_the_same_customers() -> None:
    drawn = bootstrap({"one": VALUES, "twice": VALUES * 2})
    assert drawn["twice"].low == pytest.approx(2 * drawn["one"].low)


def test_different_customers_can_not_be_paired() -> None:
    with pytest.raises(ValueError, match="same customers"):
        bootstrap_difference(VALUES, VALUES[:-1])
