from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.uplift.simulated import crossing, same, simulated
from training.uplift.learners import LEARNERS, Learner, effects, fit_means


@pytest.mark.parametrize("learner", LEARNERS, ids=str)
def test_every_learner_finds_an_effect_that_is_the_same_for_all(learner: Learner) -> None:
    campaign = simulated(same)
    means = fit_means(learner.base, campaign)
    found = effects(learner.kind, learner.base, means, campaign, campaign.features)
    assert found[:, 0].tolist() == [0.0] * len(found)
    assert found.mean(axis=0) == pytest.approx([0, 0.4, 0.2], abs=0.05)


@pytest.mark.parametrize("learner", LEARNERS, ids=str)
def test_every_learner_tells_who_gains_from_what(learner: Learner) -> None:
    campaign = simulated(crossing)
    means = fit_means(learner.base, campaign)
    found = effects(learner.kind, learner.base, means, campaign, campaign.features)
    right = np.where(campaign.features[:, 1] > 0.5, 2, 1)
    assert (found.argmax(axis=1) == right).mean() > 0.9


def test_a_missing_value_is_no_obstacle() -> None:
    campaign = simulated(same, customers=600)
    campaign.features[::7, 0] = np.nan
    for learner in LEARNERS:
        means = fit_means(learner.base, campaign)
        assert np.isfinite(
            effects(learner.kind, learner.base, means, campaign, campaign.features)
        ).all()
