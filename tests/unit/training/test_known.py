from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.item import Item
from features.profile import History, Profile
from training.affinity import Due, Leanings
from training.known import Known, Scored

ANN, BOB, EVE = (f"ck_{number:032x}" for number in range(3))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEA = Item(id="tea", title="Green tea", in_stock=True)
GONE = Item(id="gone", title="Gone", in_stock=False)
DRIVERS = {"recency_days": 1.25, "spend": -0.5}
FEATURES = {
    "purchase_days": [12.0, 1.0],
    "recency_days": [8.0, 20.0],
    "emails_91d": [3.0, 0.0],
}


def known(due: str | None = None, churn: list[float] | None = None) -> Known:
    """Ann, who buys, and Bob, who hardly does; Eve is not in the lake."""
    return Known(
        customers=(ANN, BOB),
        features={name: np.array(values) for name, values in FEATURES.items()},
        worth=np.array([364.0, 10.0]),
        scored=None if churn is None else Scored(np.array(churn), ("high", "low"), {0: DRIVERS}),
        segments=("loyal", "occasional"),
        leanings=Leanings(
            affinities={ANN: {"drinks": 0.75, "sweets": 0.25}},
            due={} if due is None else {ANN: Due(due, None, 5, 7.0, 8.0)},
        ),
        catalogue={item.id: item for item in (TEA, GONE)},
        now=NOW,
    )


def test_what_is_published_is_what_is_known() -> None:
    published = known(churn=[0.8, np.nan]).published(Profile(ANN))
    assert (published.at, published.segment) == (int(NOW.timestamp()), "loyal")
    assert (published.scores, published.bands) == ({"churn": 0.8}, {"churn": "high"})
    assert published.features["recency_days"] == 8.0
    assert published.affinities == {"drinks": 0.75, "sweets": 0.25}
    assert published.drivers == DRIVERS
    assert published.next_best is not None
    assert (published.next_best.action, published.next_best.worth) == ("win_back", 364.0)


def test_who_has_no_score_has_no_band() -> None:
    published = known(churn=[0.8, np.nan]).published(Profile(BOB))
    assert (published.scores, published.bands, published.drivers) == ({}, {}, {})


@pytest.mark.parametrize(
    ("due", "action"),
    [("tea", "replenish"), ("gone", "cross_sell"), ("unknown", "cross_sell"), (None, "cross_sell")],
)
def test_only_what_can_be_shown_is_replenished(due: str | None, action: str) -> None:
    best = known(due).published(Profile(ANN)).next_best
    assert best is not None
    assert best.action == action
    assert ("Green tea" in best.reason) == (action == "replenish")


def test_a_category_that_is_due_is_told_by_its_name() -> None:
    leanings = Leanings(affinities={}, due={ANN: Due(None, "drinks", 5, 7.0, 8.0)})
    best = replace(known(), leanings=leanings).published(Profile(ANN)).next_best
    assert best is not None
    assert best.reason == "Buys drinks about every 7 days, last 8 days ago."


@pytest.mark.parametrize("customer", [ANN, EVE])
def test_who_unsubscribed_since_rests(customer: str) -> None:
    published = known().published(Profile(customer, History(latest={"unsubscribe": 5})))
    assert published.next_best is not None
    assert published.next_best.action == "rest"


def test_who_got_a_mail_since_rests() -> None:
    sent = int((NOW - timedelta(hours=30)).timestamp())
    published = known("tea").published(Profile(ANN, History(latest={"email_sent": sent})))
    assert published.next_best is not None
    assert published.next_best.reason == "Got a mail less than 2 days ago."


def test_whom_the_lake_does_not_know_is_new() -> None:
    published = known().published(Profile(EVE))
    assert (published.segment, published.features) == ("new", {})
    assert published.next_best is not None
    assert published.next_best.action == "recommend"
