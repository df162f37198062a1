from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from features.event import EventType
from features.profile import History
from serving.model.basket import basket_of
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import NOW, event, history

INDEX = {"apple": 0, "bread": 1, "cheese": 2}
PLAIN = Weighting(half_life_days=None)


def test_an_empty_history_gives_an_empty_basket() -> None:
    basket = basket_of(History(), INDEX, PLAIN, NOW)
    assert len(basket) == 0
    assert basket.rows.dtype == np.int32
    assert basket.weights.dtype == np.float32


def test_rows_ascend_and_repeats_add_up() -> None:
    events = [event("cheese"), event("apple"), event("cheese", number=1)]
    basket = basket_of(history(*events), INDEX, PLAIN, NOW)
    assert basket.rows.tolist() == [0, 2]
    assert basket.weights.tolist() == [1.0, 2.0]


def test_an_item_that_the_bundle_does_not_know_is_left_out() -> None:
    assert len(basket_of(history(event("caviar")), INDEX, PLAIN, NOW)) == 0


def test_an_event_counts_half_after_its_half_life_and_a_new_one_in_full() -> None:
    weighting = Weighting(half_life_days=10)
    events = [event("apple", at=NOW - timedelta(days=10)), event("bread")]
    assert basket_of(history(*events), INDEX, weighting, NOW).weights.tolist() == [0.5, 1.0]


def test_an_event_from_a_clock_that_runs_ahead_counts_as_new() -> None:
    weighting = Weighting(half_life_days=10)
    basket = basket_of(history(event("apple", at=NOW + timedelta(hours=9))), INDEX, weighting, NOW)
    assert basket.weights.tolist() == [1.0]


def test_a_return_takes_the_purchase_back() -> None:
    later = NOW - timedelta(hours=1)
    events = [event("apple", at=later), event("apple", kind=EventType.RETURN), event("bread")]
    assert basket_of(history(*events), INDEX, PLAIN, NOW).rows.tolist() == [1]


def test_the_kind_is_that_of_the_strongest_event() -> None:
    events = [
        event("apple"),
        event("apple", kind=EventType.VIEW),
        event("bread", kind=EventType.CART),
    ]
    kinds = basket_of(history(*events), INDEX, PLAIN, NOW).kinds
    assert kinds == (EventType.PURCHASE, EventType.CART)


def test_a_type_without_a_weight_says_nothing() -> None:
    weighting = Weighting({EventType.PURCHASE: 1.0}, half_life_days=None)
    assert len(basket_of(history(event("apple", kind=EventType.VIEW)), INDEX, weighting, NOW)) == 0


def test_ages_are_in_seconds() -> None:
    weighting = Weighting(half_life_days=1)
    basket = basket_of(history(event("apple", at=NOW - timedelta(hours=12))), INDEX, weighting, NOW)
    assert basket.weights[0] == pytest.approx(2**-0.5)
