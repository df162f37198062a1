import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.churn.bands import bands, thresholds
from training.churn.calibrate import (
    Calibration,
    choose_calibration,
    fit_calibration,
)
from training.churn.metrics import ece, log_loss
from training.churn.odds import log_odds, sigmoid

RANDOM = np.random.default_rng(8)
TRUTH = RANDOM.uniform(0.02, 0.6, 3_000)
CAME = RANDOM.uniform(0, 1, 3_000) < TRUTH
ONES = np.ones((1, 3_000))


def test_probabilities_that_are_honest_already_are_left_alone() -> None:
    assert choose_calibration(TRUTH, CAME).kind == "none"


def test_overconfident_probabilities_get_a_sigmoid() -> None:
    boastful = sigmoid(3 * log_odds(TRUTH))
    chosen = choose_calibration(boastful, CAME)
    assert chosen.kind == "sigmoid"
    assert chosen.x[0] == pytest.approx(1 / 3, abs=0.05)
    assert ece(CAME, chosen.apply(boastful), ONES)[0] < ece(CAME, boastful, ONES)[0] / 2


def test_a_crooked_model_gets_steps() -> None:
    crooked = np.where(TRUTH < 0.3, 0.5 * TRUTH, 0.7 + 0.1 * TRUTH)
    chosen = choose_calibration(crooked, CAME)
    assert chosen.kind == "isotonic"
    calibrated = log_loss(CAME, chosen.apply(crooked), ONES)[0]
    assert calibrated < log_loss(CAME, crooked, ONES)[0] - 0.02


def test_too_few_cases_choose_nothing() -> None:
    few = np.array([True] * 5 + [False] * 200)
    assert choose_calibration(np.full(205, 0.9), few) == Calibration()


def test_a_sigmoid_never_turns_the_order_round() -> None:
    assert fit_calibration("sigmoid", 1 - TRUTH, CAME).x[0] == 0.0


@given(st.floats(0.01, 0.99), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_bands_rise_with_the_probability(base: float, said: list[float]) -> None:
    order = {"low": 0, "medium": 1, "high": 2}
    found = [order[band] for band in bands(np.array(sorted(said)), thresholds(base))]
    assert found == sorted(found)


def test_bands_begin_at_half_and_at_twice_the_base_odds() -> None:
    ends = thresholds(0.2)  # odds 1 : 4
    assert ends.low == pytest.approx(1 / 9)
    assert ends.high == pytest.approx(1 / 3)
    found = bands(np.array([1 / 9 - 1e-9, 0.2, 1 / 3 + 1e-9]), ends)
    assert found == ["low", "medium", "high"]
