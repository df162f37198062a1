from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.sparse import csr_array

from features.event import EventType
from features.profile import History
from serving.model.basket import Baskets, baskets_of, baskets_of_counts
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import NOW, event, history

INDEX = {"apple": 0, "bread": 1, "cheese": 2}
PLAIN = Weighting(half_life_days=None)


def weights(one: History, weighting: Weighting = PLAIN) -> list[float]:
    """What each of the three items counts for one customer."""
    found: list[float] = baskets_of([one], INDEX, NOW).weights(weighting).toarray()[0].tolist()
    return found


def test_an_empty_history_has_no_cell() -> None:
    baskets = baskets_of([History()], INDEX, NOW)
    assert len(baskets) == 1
    assert baskets.weights(PLAIN).nnz == 0
    assert baskets.weights(PLAIN).dtype == np.float32


def test_nobody_at_all_has_no_row() -> None:
    assert baskets_of([], INDEX, NOW).weights(PLAIN).shape == (0, 3)


def test_rows_ascend_and_repeats_add_up() -> None:
    events = [event("cheese"), event("apple"), event("cheese", number=1)]
    found = baskets_of([history(*events)], INDEX, NOW).weights(PLAIN)
    assert found.indices.tolist() == [0, 2]
    assert found.data.tolist() == [1.0, 2.0]


def test_each_customer_has_a_row() -> None:
    histories = [history(event("bread")), History(), history(event("apple"), event("bread"))]
    found = baskets_of(histories, INDEX, NOW).weights(PLAIN).toarray()
    assert found.tolist() == [[0, 1, 0], [0, 0, 0], [1, 1, 0]]


def test_an_item_that_the_bundle_does_not_know_is_left_out() -> None:
    assert weights(history(event("caviar"))) == [0.0] * 3


def test_an_event_counts_half_after_its_half_life_and_a_new_one_in_full() -> None:
    events = [event("apple", at=NOW - timedelta(days=10)), event("bread")]
    assert weights(history(*events), Weighting(half_life_days=10)) == [0.5, 1.0, 0.0]


def test_an_event_from_a_clock_that_runs_ahead_counts_as_new() -> None:
    ahead = history(event("apple", at=NOW + timedelta(hours=9)))
    assert weights(ahead, Weighting(half_life_days=10))[0] == 1.0


def test_a_return_takes_the_purchase_back() -> None:
    later = NOW - timedelta(hours=1)
    events = [event("apple", at=later), event("apple", kind=EventType.RETURN), event("bread")]
    assert weights(history(*events)) == [0.0, 1.0, 0.0]


def test_a_type_without_a_weight_says_nothing() -> None:
    weighting = Weighting({EventType.PURCHASE: 1.0}, half_life_days=None)
    assert weights(history(event("apple", kind=EventType.VIEW)), weighting) == [0.0] * 3


def test_ages_are_in_seconds() -> None:
    one = history(event("apple", at=NOW - timedelta(hours=12)))
    assert weights(one, Weighting(half_life_days=1))[0] == pytest.approx(2**-0.5)


def test_the_same_interactions_can_be_weighed_in_several_ways() -> None:
    baskets = baskets_of([history(event("apple", at=NOW - timedelta(days=1)))], INDEX, NOW)
    assert baskets.weights(PLAIN).data.tolist() == [1.0]
    assert baskets.weights(Weighting(half_life_days=1)).data.tolist() == [0.5]
    assert baskets.weights(PLAIN) is baskets.weights(Weighting(half_life_days=None))


def three() -> Baskets:
    """Customers with two, no and one interaction."""
    histories = [history(event("apple"), event("cheese")), History(), history(event("cheese"))]
    return baskets_of(histories, INDEX, NOW)


def test_a_part_is_some_customers_in_a_row() -> None:
    assert three().part(1, 3).weights(PLAIN).toarray().tolist() == [[0, 0, 0], [0, 0, 1]]
    assert len(three().part(2, 2)) == 0


def test_customers_and_items_can_be_left_out() -> None:
    found = three().among(np.array([0, 2]), np.array([1, 2]))
    assert found.weights(PLAIN).toarray().tolist() == [[0, 1], [0, 1]]
    assert three().among(np.array([0]), np.array([1])).weights(PLAIN).nnz == 0


def test_what_happened_until_a_moment_is_as_old_as_it_was_then() -> None:
    times = {"apple": 0, "bread": 2, "cheese": 5}
    one = history(*(event(item, at=NOW - timedelta(days=ago)) for item, ago in times.items()))
    baskets = baskets_of([History(), one], INDEX, NOW)
    day = timedelta(days=1).total_seconds()
    older = baskets.where(baskets.ages >= 2 * day, 2 * day)
    assert older.starts.tolist() == [0, 0, 2]
    assert sorted(zip(older.rows.tolist(), older.ages.tolist(), strict=True)) == [
        (INDEX["bread"], 0.0),
        (INDEX["cheese"], 3 * day),
    ]


def test_counts_without_times_are_purchases_of_now() -> None:
    counts = csr_array(np.array([[0, 2, 1], [0, 0, 0]], np.float32))
    baskets = baskets_of_counts(counts)
    assert baskets.weights(Weighting(half_life_days=1)).toarray().tolist() == [[0, 2, 1], [0, 0, 0]]
