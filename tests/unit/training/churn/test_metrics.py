import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

from training.churn.metrics import (
    AUC,
    BRIER,
    ECE,
    INTERCEPT,
    LIFT,
    LOG_LOSS,
    METRICS,
    PR_AUC,
    SLOPE,
    Outcome,
    difference,
    judge,
    lift_by_decile,
)

CAME = np.array([True, False, True, False])
SAID = np.array([0.9, 0.1, 0.4, 0.6])
ONES = np.ones((1, 4))


def value(metric: str, came: np.ndarray = CAME, said: np.ndarray = SAID) -> float:
    return float(METRICS[metric](came, said, np.ones((1, len(came))))[0])


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert value(AUC) == 3 / 4


def test_a_tie_counts_half_in_auc() -> None:
    assert value(AUC, np.array([True, False]), np.array([0.5, 0.5])) == 0.5


def test_pr_auc_of_cases_at_ranks_one_and_three() -> None:
    assert value(PR_AUC) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_brier_is_the_mean_squared_error() -> None:
    assert value(BRIER) == pytest.approx((0.01 + 0.01 + 0.36 + 0.36) / 4)


def test_log_loss_of_certain_and_wrong_is_finite() -> None:
    assert np.isfinite(value(LOG_LOSS, np.array([True]), np.array([0.0])))


def test_ece_is_nought_when_what_is_said_comes_as_often() -> None:
    said = np.repeat([0.25, 0.75], 40)
    came = np.tile([True, False, False, False], 10).tolist()
    came += np.tile([True, True, True, False], 10).tolist()
    assert value(ECE, np.array(came), said) == pytest.approx(0.0)


def test_ece_does_not_depend_on_the_order_of_those_who_were_told_the_same() -> None:
    came = np.repeat([True, False], 50)
    assert value(ECE, came, np.full(100, 0.5)) == pytest.approx(0.0)
    assert value(ECE, np.tile([True, False], 50), np.full(100, 0.5)) == pytest.approx(0.0)


def test_ece_is_the_gap_when_all_is_said_too_high() -> None:
    said = np.full(100, 0.6)
    came = np.tile([True, False], 50)
    assert value(ECE, came, said) == pytest.approx(0.1)


def test_slope_and_intercept_are_those_of_the_logistic_regression_on_what_was_said() -> None:
    random = np.random.default_rng(2)
    said = random.uniform(0.02, 0.98, 2_000)
    odds = np.log(said / (1 - said))
    came = random.uniform(size=2_000) < 1 / (1 + np.exp(-(0.5 * odds - 0.7)))
    regression = LogisticRegression(C=1e9, tol=1e-8).fit(odds[:, None], came)
    assert value(SLOPE, came, said) == pytest.approx(regression.coef_[0, 0], abs=1e-4)
    assert value(INTERCEPT, came, said) == pytest.approx(regression.intercept_[0], abs=1e-4)


@pytest.mark.parametrize("slope", [-0.9, 0.0, 0.2])
def test_a_model_that_is_far_too_sure_has_a_slope(slope: float) -> None:
    random = np.random.default_rng(4)
    odds = random.normal(0, 3, 4_000)
    came = random.uniform(size=4_000) < 1 / (1 + np.exp(-slope * odds))
    assert value(SLOPE, came, 1 / (1 + np.exp(-odds))) == pytest.approx(slope, abs=0.05)


def test_resampled_slopes_are_as_wide_as_those_of_regressions_of_their_own() -> None:
    one = outcome(800)
    odds = np.log(one.said["knows"] / (1 - one.said["knows"]))[:, None]
    weights = np.random.default_rng(0).multinomial(800, np.full(800, 1 / 800), 60).astype(float)
    own = [
        LogisticRegression(C=1e9).fit(odds, one.happened, sample_weight=w).coef_[0, 0]
        for w in weights
    ]
    ours = METRICS[SLOPE](one.happened, one.said["knows"], weights)
    np.testing.assert_allclose(ours, own, atol=0.06)


def test_a_model_that_says_the_same_of_all_has_no_slope() -> None:
    assert np.isnan(value(SLOPE, CAME, np.full(4, 0.5)))


def test_lift_is_how_many_times_more_often_it_came_among_the_most_told() -> None:
    said = np.linspace(0.01, 0.99, 100)
    came = np.zeros(100, dtype=bool)
    came[90:98] = came[:2] = True  # 8 of the last tenth, 2 of the first, 10 of 100 in all
    assert value(LIFT, came, said) == pytest.approx(8.0)
    by_decile = lift_by_decile(came, said, np.ones((1, 100)))[:, 0]
    assert by_decile.tolist() == pytest.approx([8, 0, 0, 0, 0, 0, 0, 0, 0, 2])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 8), st.integers(1, 3)), min_size=4, max_size=30
    )
)
def test_metrics_agree_with_scikit_learn(rows: list[tuple[bool, int, int]]) -> None:
    came = np.array([row[0] for row in rows] + [True, False])
    said = np.array([row[1] / 8 for row in rows] + [0.3, 0.3])
    weights = np.array([row[2] for row in rows] + [1, 1], dtype=float)
    ours = {name: METRICS[name](came, said, weights[None, :])[0] for name in METRICS}
    assert ours[AUC] == pytest.approx(reference.roc_auc_score(came, said, sample_weight=weights))
    assert ours[PR_AUC] == pytest.approx(
        reference.average_precision_score(came, said, sample_weight=weights)
    )
    assert ours[BRIER] == pytest.approx(np.average((said - came) ** 2, weights=weights))


def outcome(rows: int = 400) -> Outcome:
    random = np.random.default_rng(3)
    truth = random.uniform(0, 1, rows)
    came = random.uniform(0, 1, rows) < truth
    return Outcome(np.arange(rows), came, {"knows": truth, "guesses": np.full(rows, 0.5)})


def test_intervals_hold_the_value_and_narrow_with_more_customers() -> None:
    small, large = (judge(outcome(rows), samples=200)["knows"][BRIER] for rows in (200, 3_200))
    assert small.low < small.mean < small.high
    assert large.high - large.low < (small.high - small.low) / 2


def test_a_better_model_has_a_difference_whose_interval_leaves_nought_out() -> None:
    gap = difference(outcome(), "knows", "guesses", LOG_LOSS, samples=200)
    assert gap.low <= gap.mean <= gap.high < 0


def test_a_model_does_not_differ_from_itself() -> None:
    gap = difference(outcome(), "knows", "knows", AUC, samples=100)
    assert (gap.mean, gap.low, gap.high) == (0, 0, 0)


def test_rows_of_one_customer_are_drawn_together() -> None:
    single = outcome(200)
    twice = Outcome(
        np.repeat(single.customers, 4),
        np.repeat(single.happened, 4),
        {name: np.repeat(said, 4) for name, said in single.said.items()},
    )
    widths = [
        (interval.high - interval.low)
        for interval in (judge(case, samples=300)["knows"][BRIER] for case in (single, twice))
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_ranking_metrics_of_one_class_alone_are_not_numbers() -> None:
    only = Outcome(np.arange(5), np.ones(5, dtype=bool), {"m": np.linspace(0, 1, 5)})
    found = judge(only, samples=100)["m"]
    assert np.isnan(found[AUC].mean)
    assert np.isnan(found[AUC].low)
