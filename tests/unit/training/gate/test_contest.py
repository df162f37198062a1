from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from features.errors import GateRefused
from training.evaluate import Evaluation
from training.gate.contest import (
    DOUBT,
    Contest,
    check_believable,
    check_better,
    check_coverage,
    check_guards,
    contest,
)

CHAMPION = np.random.default_rng(2).random(300)
Floats = NDArray[np.float64]


def judged(values: Floats, name: str = "als") -> Evaluation:
    """An evaluation with these values of the gate's metric."""
    return Evaluation(
        algorithm=name,
        question="explore",
        customers=tuple(f"ck_{n:032}" for n in range(len(values))),
        per_customer={"ndcg_20": values},
        summary={},
        seconds=0.0,
    )


def between(ours: Floats, theirs: Floats, **said: object) -> Contest:
    made = contest(judged(ours), judged(theirs, "popularity"))
    return dataclasses.replace(made, **said)  # type: ignore[arg-type] # a field each


def better(ours: Floats, theirs: Floats) -> bool:
    return check_better(between(ours, theirs))[0].passed


def test_a_challenger_that_is_surely_better_wins() -> None:
    check, gap = check_better(between(CHAMPION + 0.05, CHAMPION))
    assert check.passed
    assert check.reason.startswith("als beats popularity: ndcg_20 0.5")
    assert gap.low == pytest.approx(0.05)
    assert check.evidence["challenger"] - check.evidence["champion"] == pytest.approx(0.05)


def test_better_by_luck_is_not_better() -> None:
    noise = np.random.default_rng(3).normal(0.001, 0.3, 300)
    check, gap = check_better(between(CHAMPION + noise, CHAMPION))
    assert not check.passed
    assert "does not beat" in check.reason
    assert gap.low < 0 < gap.high


def test_the_same_the_worse_and_the_unknown_do_not_win() -> None:
    assert not better(CHAMPION, CHAMPION)
    assert not better(CHAMPION - 0.05, CHAMPION)
    assert not better(np.full(300, np.nan), CHAMPION)


def test_a_handful_of_customers_proves_nothing() -> None:
    few, _ = check_better(between(CHAMPION[:9] + 0.05, CHAMPION[:9]))
    assert not few.passed
    assert few.reason.endswith("over 9 customers; 10 are needed: hold out more time")
    assert better(CHAMPION[:10] + 0.05, CHAMPION[:10])


def test_other_customers_or_another_question_can_not_be_compared() -> None:
    with pytest.raises(GateRefused, match=r"299 customers.*300"):
        contest(judged(CHAMPION[:299]), judged(CHAMPION))
    with pytest.raises(GateRefused, match="same held-out data"):
        contest(judged(CHAMPION), dataclasses.replace(judged(CHAMPION), question="repeat"))


def test_a_slice_that_surely_loses_is_named() -> None:
    some = np.arange(300) < 60
    ours = np.where(some, CHAMPION * 0.5, CHAMPION + 0.2)
    [check] = check_guards(between(ours, CHAMPION, slices={"new": some}), [])
    assert (check.name, check.passed) == ("slice new", False)
    assert check.reason.endswith("it must not surely lose more than 5%")


def test_a_slice_that_loses_within_the_tolerance_passes() -> None:
    some = np.arange(300) < 60
    ours = np.where(some, CHAMPION * 0.96, CHAMPION + 0.2)
    [check] = check_guards(between(ours, CHAMPION, slices={"new": some}), [])
    assert check.passed


def test_a_slice_of_a_few_says_nothing() -> None:
    few = np.arange(300) < 29
    assert check_guards(between(CHAMPION * 0, CHAMPION, slices={"new": few}), []) == []


def test_guards_share_their_doubt_so_that_the_lucky_get_through() -> None:
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(40):  # two equal models, each seen through 15 slices of 40 customers
        ours, theirs = random.random((2, 600))
        slices = {str(n): np.arange(600) // 40 == n for n in range(15)}
        checks = check_guards(between(ours, theirs, slices=slices), [])
        refused += not all(check.passed for check in checks)
    assert refused <= 40 * DOUBT * 2


def test_other_questions_are_guarded_too() -> None:
    other = between(CHAMPION * 0.5, CHAMPION, question="repeat")
    [check] = check_guards(between(CHAMPION, CHAMPION), [other])
    assert (check.name, check.passed) == ("question repeat", False)


@pytest.mark.parametrize(
    ("shares", "passed"),
    [((0.5, 0.4), True), ((0.31, 0.4), True), ((0.29, 0.4), False), ((np.nan, 0.4), True)],
)
def test_coverage_may_fall_by_a_quarter(shares: tuple[float, float], passed: bool) -> None:  # noqa: FBT001 - a case
    assert check_coverage(between(CHAMPION, CHAMPION, coverage=shares)).passed is passed


def test_thrice_a_personal_champion_is_not_believed_and_thrice_a_baseline_is() -> None:
    assert not check_believable(between(CHAMPION * 4, CHAMPION, personal=True)).passed
    assert check_believable(between(CHAMPION * 4, CHAMPION)).passed
    assert check_believable(between(CHAMPION, CHAMPION * 0, personal=True)).passed
