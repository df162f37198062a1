import numpy as np
import pytest

from training.churn.lessons import balance


def test_weights_make_as_many_churn_as_are_wanted_where_many_are_known() -> None:
    churned = np.arange(10_000) % 10 == 0
    weights = balance(churned, 0.5)
    assert weights.mean() == pytest.approx(1.0)
    assert np.average(churned, weights=weights) == pytest.approx(0.5, abs=0.005)


def test_weights_stay_near_one_where_few_are_known() -> None:
    alone = balance(np.array([True, False, False]), 0.5)
    assert 1.0 < alone[0] < 1.4


def test_a_snapshot_of_nobody_has_no_weights() -> None:
    assert balance(np.zeros(0, np.bool_), 0.5).shape == (0,)
