from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.affinity import Due
from training.next_best import ACTIONS, Standing, middle, next_best, worth

TEA = Due(item="tea-1", category=None, times=6, gap_days=14.2, since_days=16)
MILK = Due(item=None, category="milk", times=1, gap_days=7, since_days=9)
HABIT: dict[str, Any] = {"bought_days": 10, "segment": "regular", "worth": 50.0, "middle": 40.0}


def standing(**fields: Any) -> Standing:  # noqa: ANN401 - any field of Standing
    """A customer who buys, unless told otherwise."""
    return Standing(**{**HABIT, **fields})


@pytest.mark.parametrize(
    ("fields", "action", "reason"),
    [
        ({"contactable": False, "due": TEA}, "rest", "Has unsubscribed or complained."),
        ({"mailed_days": 1.9, "due": TEA}, "rest", "Got a mail less than 2 days ago."),
        ({"mails": 27, "due": TEA}, "rest", "Got 27 mails in the last 91 days."),
        (
            {"churn": 0.72, "band": "high", "silent_days": 9.0, "due": TEA},
            "win_back",
            "Is worth more than most customers; 72% likely to stop buying, last bought 9 days ago.",
        ),
        (
            {"segment": "lapsed", "silent_days": 200.0},
            "win_back",
            "Is worth more than most customers; last bought 200 days ago.",
        ),
        (
            {"due": TEA, "due_name": "Tea"},
            "replenish",
            "Buys Tea about every 14 days, last 16 days ago.",
        ),
        (
            {"due": MILK, "due_name": "milk"},
            "replenish",
            "Bought milk 9 days ago; others do again after about 7 days.",
        ),
        (
            {"favourite": "garden", "share": 0.6},
            "cross_sell",
            "Buys little beside garden (60%): show what else there is.",
        ),
        (
            {"favourite": "garden", "share": 0.59},
            "recommend",
            "Nothing special is called for: show what fits, garden above all.",
        ),
        ({}, "recommend", "Nothing special is called for: show what fits."),
        ({"bought_days": 0}, "recommend", "Has bought nothing yet: show what others like."),
    ],
)
def test_the_first_rule_that_fits_decides_and_says_why(
    fields: dict[str, object], action: str, reason: str
) -> None:
    best = next_best(standing(**fields))
    assert (best.action, best.reason) == (action, reason)


@pytest.mark.parametrize(
    "fields",
    [
        {"mailed_days": 2.0},
        {"mails": 26},
        {"churn": 0.72, "band": "high", "worth": 39.0},  # worth too little to be won back
        {"churn": 0.3, "band": "medium", "segment": "lapsing"},  # the model knows better
        {"bought_days": 2, "favourite": "garden", "share": 1.0},  # no habit yet
    ],
)
def test_short_of_a_rule_it_does_not_fit(fields: dict[str, object]) -> None:
    assert next_best(standing(**fields)).action == "recommend"


def test_an_action_names_what_it_is_about() -> None:
    loves: dict[str, Any] = {"favourite": "garden", "share": 0.9}
    replenish = next_best(standing(due=TEA, **loves))
    assert (replenish.item, replenish.category) == ("tea-1", None)
    replenish = next_best(standing(due=MILK, **loves))
    assert (replenish.item, replenish.category) == (None, "milk")
    assert next_best(standing(**loves)).category == "garden"
    rest = next_best(standing(due=TEA, contactable=False, **loves))
    assert (rest.item, rest.category, rest.worth) == (None, None, 50.0)


@given(
    st.builds(
        Standing,
        contactable=st.booleans(),
        mailed_days=st.none() | st.floats(0, 100),
        mails=st.integers(0, 60),
        bought_days=st.integers(0, 50),
        worth=st.floats(0, 1e6),
        middle=st.floats(0, 1e6),
        segment=st.sampled_from(["new", "lapsed", "loyal"]),
        churn=st.none() | st.floats(0, 1),
        band=st.none() | st.sampled_from(["low", "medium", "high"]),
        favourite=st.none() | st.just("garden"),
        share=st.floats(0, 1),
        due=st.none() | st.just(TEA),
    )
)
def test_everybody_gets_an_action_and_nobody_who_said_no_gets_mail(one: Standing) -> None:
    best = next_best(one)
    assert best.action in ACTIONS
    assert best.reason.endswith(".")
    if not one.contactable:
        assert best.action == "rest"


def test_worth_is_what_is_bought_in_a_quarter() -> None:
    features = {
        "spend_per_purchase_day": np.array([50.0, 200.0, 10.0, 0.0]),
        "purchase_days": np.array([8.0, 2.0, 1.0, 0.0]),
        "buying_days": np.array([364.0, 182.0, 3.0, 0.0]),
    }
    assert worth(features).tolist() == [100.0, 200.0, 10.0, 0.0]
    assert worth(features, np.array([3.0, 1.0, 2.0, 0.0])).tolist() == [150.0, 200.0, 20.0, 0.0]
    assert middle(worth(features)) == 100.0


def test_without_money_worth_is_days_with_a_purchase() -> None:
    features = {
        "spend_per_purchase_day": np.zeros(3),
        "purchase_days": np.array([8.0, 2.0, 0.0]),
        "buying_days": np.array([364.0, 182.0, 0.0]),
    }
    assert worth(features).tolist() == [2.0, 1.0, 0.0]
    assert middle(np.zeros(3)) == 0.0
