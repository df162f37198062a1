from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from features.errors import InvalidArgument
from tests.unit.training.uplift.simulated import Floats, crossing, same, simulated, useless
from training.metrics import Interval
from training.uplift.plot import uplift_plot
from training.uplift.policy import Value
from training.uplift.report import UpliftReport, analyse, conclude


def analysed(effect: Callable[[Floats], Floats]) -> UpliftReport:
    return analyse(simulated(effect), lambda *_: None)


@pytest.fixture(scope="module")
def crossed() -> UpliftReport:
    return analysed(crossing)


def test_where_choosing_pays_it_is_found_and_said(crossed: UpliftReport) -> None:
    assert crossed.beaten
    # A step decides, which no line can follow.
    assert all("boosting" in learner for learner in crossed.learners)
    chosen, *single = crossed.values
    # The right mail for each is worth 1.5 + 0.5; a boundary that is learnt loses a little.
    assert 1.9 < chosen.robust.mean < 2.05
    assert all(one.gain_robust.low > 0.2 for one in single)
    assert crossed.says.startswith("Choose for each customer: +0.3")
    assert "for everybody" in crossed.says


def test_choosing_must_be_surely_better_than_every_arm_and_not_the_best_alone() -> None:
    def value(policy: str, worth: float, least: float) -> Value:
        here = Interval(worth, worth, worth)
        return Value(policy, here, here, here, Interval(3 - worth, least, 4 - worth))

    chosen, best = value("each their own", 3, 0), value("red", 2, 0.1)
    unsure, sure = value("none", 1, -0.1), value("none", 1, 0.1)
    assert conclude([chosen, unsure, best], "none", "spend")[:2] == ("red", False)
    assert conclude([chosen, sure, best], "none", "spend")[:2] == ("red", True)


def test_the_groups_say_who_gets_what(crossed: UpliftReport) -> None:
    red, blue = ([group for group in crossed.groups if group.arm == arm] for arm in ("red", "blue"))
    assert all(group.who.startswith("taste ≤ 0.") for group in red)
    assert all(group.who.startswith("taste > 0.") for group in blue)
    assert sum(group.customers for group in (*red, *blue)) == crossed.customers == 3_000
    assert max(group.agree for group in red) > 0.9


def test_where_all_gain_the_same_the_best_single_arm_is_not_beaten() -> None:
    report = analysed(same)
    assert (report.best, report.beaten) == ("red", False)
    assert all("linear" in learner for learner in report.learners)
    assert report.says.startswith("Send everybody red: choosing for each customer is not surely ")


def test_where_mail_does_harm_nobody_gets_any() -> None:
    report = analysed(useless)
    assert (report.best, report.beaten) == ("none", False)
    assert report.says.startswith("Mail nobody: ")
    assert report.arms[0].chosen > 0.9


def test_a_cost_takes_the_mail_from_who_gains_less_than_it() -> None:
    campaign = simulated(same, customers=900)
    report = analyse(campaign, lambda *_: None, costs={"red": 2.0, "blue": 2.0})
    assert report.arms[0].chosen == 1.0
    with pytest.raises(
        InvalidArgument, match="cost = 'green': no arm of this file; choose among none"
    ):
        analyse(campaign, lambda *_: None, costs={"green": 1.0})


def test_the_same_campaign_says_the_same_twice() -> None:
    campaign = simulated(same, customers=600)
    one, other = (analyse(campaign, lambda *_: None) for _ in range(2))
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


def test_the_picture_shows_every_policy_and_every_curve(
    crossed: UpliftReport, tmp_path: Path
) -> None:
    plot = uplift_plot(crossed)
    left, right = plot.axes
    assert len(left.lines) == 2 * len(crossed.qini)
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "each their own",
        "none",
        "red",
        "blue",
    ]
    plot.savefig(tmp_path / "uplift.png")
    assert (tmp_path / "uplift.png").stat().st_size > 10_000
