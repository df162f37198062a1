"""Each definition on a case that is computed by hand."""

from __future__ import annotations

import math

import pytest

from features.definitions import (
    category_affinity,
    email_engagement,
    frequency,
    inter_purchase,
    monetary,
    recency,
    season,
    tenure,
    trend,
)
from features.event import EventType
from tests.unit.features.definitions.told import happened, of_ann, told
from tests.unit.features.making import ANN, BOB, item

VIEW, RETURN, SENT = EventType.VIEW, EventType.RETURN, EventType.EMAIL_SENT
OPEN, CLICK = EventType.EMAIL_OPEN, EventType.EMAIL_CLICK


def test_recency_is_days_since_the_last_purchase_and_the_last_sign_of_life() -> None:
    found = of_ann(recency, [happened(10), happened(3), happened(1.5, VIEW), happened(1, SENT)])
    assert found == {"recency_days": 3.0, "activity_recency_days": 1.5}


def test_recency_of_who_never_did_anything_is_as_long_as_we_know_them() -> None:
    found = of_ann(recency, [happened(8, SENT), happened(2, SENT)])
    assert found == {"recency_days": 8.0, "activity_recency_days": 8.0}


def test_frequency_counts_days_events_and_items() -> None:
    found = of_ann(
        frequency,
        [
            happened(1.25, item="lamp"),
            happened(1.5, item="hat"),  # the same UTC day
            happened(40, item="lamp"),
            happened(100, item="cup"),
            happened(2, VIEW, item="shoe"),
        ],
    )
    assert found == {
        "purchase_days": 3,
        "purchase_days_28d": 1,
        "purchase_days_91d": 2,
        "purchases": 4,
        "purchases_91d": 3,
        "items_bought": 3,
    }


def test_monetary_adds_up_what_was_spent_and_what_came_back() -> None:
    found = of_ann(
        monetary,
        [
            happened(1, value=10.0),
            happened(50, value=20.0),
            happened(100, value=70.0),
            happened(3, item="free"),  # no value
            happened(0.5, RETURN, value=25.0),
        ],
    )
    assert found == {
        "spend": 100.0,
        "spend_28d": 10.0,
        "spend_91d": 30.0,
        "spend_per_purchase_day": 25.0,
        "returned_share": 0.25,
    }


def test_tenure_counts_from_the_first_event_and_the_first_purchase() -> None:
    found = of_ann(tenure, [happened(9, VIEW), happened(4), happened(2)])
    assert found == {"tenure_days": 9.0, "buying_days": 4.0}


def test_gaps_are_between_purchase_days() -> None:
    found = of_ann(inter_purchase, [happened(14), happened(12), happened(11.9), happened(6)])
    # UTC days before T: 14, 12, 12 (11.9 lies in day 12), 6: gaps of 2 and 6 days.
    assert found == {
        "gap_mean_days": 4.0,
        "gap_std_days": 2.0,
        "gap_max_days": 6,
        "gap_now_ratio": 1.5,
    }


def test_engagement_counts_mails_opens_and_clicks() -> None:
    found = of_ann(
        email_engagement,
        [
            *(happened(days, SENT, item=None) for days in (1, 2, 3, 100)),
            happened(1, OPEN, item=None),
            happened(2.5, CLICK, item=None),
            happened(100, CLICK, item=None),
        ],
    )
    assert found == {
        "emails_91d": 3,
        "email_opens_91d": 1,
        "email_clicks_91d": 1,
        "email_click_rate": pytest.approx(3 / 24),
        "email_response_recency_days": 1.0,
    }


def test_affinity_is_over_the_first_category_of_the_items() -> None:
    items = [
        item("lamp", categories=("home", "light")),
        item("rug", categories=("home",)),
        item("hat", categories=("wear",)),
        item("odd"),
    ]
    bought = ("lamp", "rug", "rug", "hat", "odd", "unknown")
    found = of_ann(
        category_affinity, [happened(n + 1, item=name) for n, name in enumerate(bought)], items
    )
    entropy = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))
    assert found == {
        "category_count": 2,
        "category_top_share": 0.75,
        "category_entropy": pytest.approx(entropy),
    }


def test_trend_sets_the_last_span_against_the_one_before() -> None:
    found = of_ann(
        trend,
        [
            *(happened(days, value=10.0) for days in (1, 5, 10)),
            happened(30, value=40.0),
            happened(100, value=30.0),
        ],
    )
    # 28 days: 3 purchase days against 1; 91 days: 4 against 1; money: 70 against 30.
    assert found == {"trend_28d": 0.5, "trend_91d": 0.6, "spend_trend_91d": pytest.approx(0.4)}


def test_each_customer_is_counted_alone() -> None:
    found = told(frequency, [happened(1), happened(2, customer=BOB), happened(3, customer=BOB)])
    assert (found[ANN]["purchases"], found[BOB]["purchases"]) == (1, 2)


def test_season_counts_days_in_the_weeks_from_a_year_before_on() -> None:
    found = of_ann(
        season,
        [
            happened(364, item="lamp"),  # 52 weeks to the second: the first that counts
            happened(363.9, item="hat"),  # the same UTC day
            happened(365),
            happened(337),
            happened(336),
            happened(274),
            happened(273),
            happened(350, VIEW),
            happened(1),
        ],
    )
    assert found == {"year_ago_days_28d": 2, "year_ago_days_91d": 4}
