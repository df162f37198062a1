from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

from features.errors import GateRefused
from serving.model.bundle import POPULARITY
from tests.unit.training.samples import AT, checkerboard_dataset
from training.evaluate import Evaluation
from training.gate import decide, refuse_unsound
from training.recommenders import als

CHAMPION = np.random.default_rng(2).random(300)


def judged(values: np.ndarray[tuple[int], np.dtype[np.float64]], name: str = "als") -> Evaluation:
    """An evaluation with these values of the gate's metric."""
    return Evaluation(
        algorithm=name,
        question="explore",
        customers=tuple(f"ck_{n:032}" for n in range(len(values))),
        per_customer={"ndcg_20": values},
        summary={},
        seconds=0.0,
    )


def test_a_challenger_that_is_surely_better_is_promoted() -> None:
    decision = decide(judged(CHAMPION + 0.05), judged(CHAMPION, "popularity"))
    assert decision.promote
    assert decision.reason.startswith("als beats popularity: ndcg_20 0.5")
    assert decision.difference is not None
    assert decision.difference.low == pytest.approx(0.05)
    assert decision.challenger - decision.champion == pytest.approx(0.05)


def test_better_by_luck_is_not_better() -> None:
    noise = np.random.default_rng(3).normal(0.001, 0.3, 300)
    decision = decide(judged(CHAMPION + noise), judged(CHAMPION))
    assert not decision.promote
    assert "does not beat" in decision.reason
    assert decision.difference is not None
    assert decision.difference.low < 0 < decision.difference.high


def test_the_same_and_the_worse_are_refused() -> None:
    assert not decide(judged(CHAMPION), judged(CHAMPION)).promote
    assert not decide(judged(CHAMPION - 0.05), judged(CHAMPION)).promote


def test_a_handful_of_customers_proves_nothing() -> None:
    few = decide(judged(CHAMPION[:9] + 0.05), judged(CHAMPION[:9]))
    assert not few.promote
    assert few.reason.endswith("over 9 customers; 10 are needed: hold out more time")
    assert decide(judged(CHAMPION[:10] + 0.05), judged(CHAMPION[:10])).promote


def test_what_can_not_be_compared_is_not_promoted() -> None:
    nothing = np.full(300, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
        assert not decide(judged(nothing), judged(CHAMPION)).promote


def test_other_customers_or_another_question_can_not_be_compared() -> None:
    with pytest.raises(GateRefused, match=r"299 customers.*300"):
        decide(judged(CHAMPION[:299]), judged(CHAMPION))
    with pytest.raises(GateRefused, match="same held-out data"):
        decide(judged(CHAMPION), dataclasses.replace(judged(CHAMPION), question="repeat"))


def test_a_bundle_that_can_serve_is_not_refused() -> None:
    bundle = als.fit(checkerboard_dataset(), als.AlsParams(factors=2), AT)
    assert refuse_unsound(bundle) is None


def test_a_bundle_that_is_not_finite_or_misshapen_is_refused_with_the_reason() -> None:
    bundle = als.fit(checkerboard_dataset(), als.AlsParams(factors=2), AT)
    broken = np.full_like(bundle.arrays["item_factors"], np.nan)
    arrays = {**bundle.arrays, "item_factors": broken}
    decision = refuse_unsound(dataclasses.replace(bundle, arrays=arrays))
    assert decision is not None
    assert not decision.promote
    assert "item_factors: holds NaN" in decision.reason
    assert math.isnan(decision.challenger)
    short = {**bundle.arrays, "item_factors": bundle.arrays["item_factors"][1:]}
    misshapen = refuse_unsound(dataclasses.replace(bundle, arrays=short))
    assert misshapen is not None
    assert "does not fit 12 items" in misshapen.reason
    assert refuse_unsound(dataclasses.replace(bundle, arrays={POPULARITY: broken})) is not None
