from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.uplift.simulated import crossing, simulated
from training.uplift.qini import DECILES, STEPS, Qini, area, qini


def of_red(said: np.ndarray) -> Qini:
    """The curve of red against none, customers in the order of what is said."""
    campaign = simulated(crossing, customers=6_000)
    pair = campaign.arm < 2
    return qini("red", campaign.arm[pair] == 1, campaign.outcome[pair], said[pair])


TASTE = simulated(crossing, customers=6_000).features[:, 1]


def test_the_right_order_bends_the_curve_up_and_the_wrong_one_down() -> None:
    right, wrong = of_red(-TASTE), of_red(TASTE)
    assert right.coefficient.low > 0.05
    assert wrong.coefficient.high < -0.05
    # Red adds 0.5 to one half and takes 0.2 from the other: 0.25 after half of them, 0.15 in all.
    assert right.curve[STEPS // 2] == pytest.approx(0.25, abs=0.03)
    assert right.curve[-1] == pytest.approx(right.effect.mean)
    assert right.effect.low < 0.15 < right.effect.high


def test_an_order_by_chance_is_worth_nothing() -> None:
    told = of_red(np.random.default_rng(1).random(6_000)).coefficient
    assert told.low < 0 < told.high


def test_deciles_begin_with_those_who_gain_most() -> None:
    deciles = of_red(np.where(TASTE > 0.5, -0.2, 0.5)).deciles
    assert len(deciles) == DECILES
    assert [one.said for one in deciles[:4]] == pytest.approx([0.5] * 4)
    assert all(one.came.low < 0.5 < one.came.high for one in deciles[:4])
    assert all(one.came.low < -0.2 < one.came.high for one in deciles[-4:])


def test_a_straight_curve_has_no_area() -> None:
    line, bow = np.linspace(0, 3, 51), np.append(np.repeat(2.0, 50), 0.0)
    assert area(np.stack([line, bow])) == pytest.approx([0, 1.98])
