from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.training.uplift.simulated import same, simulated
from training.uplift.crossfit import FOLDS, cross_fit, doubly_robust


def test_nobodys_own_outcome_tells_what_is_said_of_them() -> None:
    # Pure noise: a learner that saw a customer's own outcome would agree with it.
    campaign = simulated(lambda features: np.zeros((len(features), 2)), customers=900)
    steps: list[tuple[int, int]] = []
    crossed = cross_fit(campaign, lambda done, total: steps.append((done, total)))
    own = crossed.mean[np.arange(900), campaign.arm]
    noise = campaign.outcome - 1 - campaign.features[:, 0]
    assert abs(np.corrcoef(noise, own)[0, 1]) < 0.1
    assert steps == [(done, FOLDS) for done in range(1, FOLDS + 1)]
    assert len(crossed.learners) == FOLDS


def test_what_is_said_of_somebody_does_not_depend_on_what_came_of_them() -> None:
    campaign = simulated(same, customers=300)
    outcome = campaign.outcome.copy()
    outcome[5] += 100.0
    one, other = (
        cross_fit(asked, lambda *_: None)
        for asked in (campaign, replace(campaign, outcome=outcome))
    )
    assert other.mean[5].tolist() == one.mean[5].tolist()
    assert other.effect[5].tolist() == one.effect[5].tolist()
    assert (other.mean != one.mean).any()


@pytest.mark.parametrize("said", [0.0, 1.5, 9.0])
def test_doubly_robust_scores_are_unbiased_however_wrong_the_model(said: float) -> None:
    campaign = simulated(same, customers=30_000)
    score = doubly_robust(campaign, np.full((30_000, 3), said))
    by_arm = np.bincount(campaign.arm, campaign.outcome) / np.bincount(campaign.arm)
    # With shares of the campaign's own the weighted mean is the arm's mean, to the last digit.
    assert score.mean(axis=0) == pytest.approx(by_arm)
