from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.uplift.simulated import crossing, same, simulated
from training.uplift.policy import CHOSEN, choose, costs_of, values


def test_each_gets_the_arm_of_the_greatest_effect_less_its_cost() -> None:
    effect = np.array([[0.0, 0.3, 0.2], [0.0, -0.1, -0.2], [0.0, 0.1, 0.5]])
    assert choose(effect, np.zeros(3)).tolist() == [1, 0, 2]
    assert choose(effect, np.array([0.0, 0.15, 0.0])).tolist() == [2, 0, 2]
    assert choose(effect, np.array([0.0, 1.0, 1.0])).tolist() == [0, 0, 0]


def test_what_costs_nothing_said_costs_nothing() -> None:
    campaign = simulated(same, customers=300)
    assert costs_of(campaign, {"blue": 0.25}).tolist() == [0.0, 0.0, 0.25]


def test_a_policy_is_worth_what_it_would_bring() -> None:
    campaign = simulated(crossing, customers=20_000)
    right = np.where(campaign.features[:, 1] > 0.5, 2, 1)
    mean = np.tile(1 + campaign.features[:, :1], 3)
    found = {one.policy: one for one in values(campaign, right, mean, np.array([0.0, 0.1, 0.1]))}
    truth = {CHOSEN: 1.9, "none": 1.5, "red": 1.55, "blue": 1.55}
    for policy, worth in truth.items():
        for told in (found[policy].weighted, found[policy].robust):
            assert told.mean == pytest.approx(worth, abs=0.03)
            assert told.low < told.mean < told.high < told.low + 0.1
        assert found[policy].gain_robust.mean == pytest.approx(1.9 - worth, abs=0.03)
    # A model of the outcome takes the noise of who happened to get what out of the estimate.
    one = found["red"]
    assert one.robust.high - one.robust.low < one.weighted.high - one.weighted.low


def test_a_policy_that_is_one_arm_gains_nothing_on_it() -> None:
    campaign = simulated(same, customers=600)
    found = values(campaign, np.ones(600, np.int64), np.zeros((600, 3)), np.zeros(3))
    gain = next(one.gain_robust for one in found if one.policy == "red")
    assert (gain.low, gain.mean, gain.high) == (0, 0, 0)
