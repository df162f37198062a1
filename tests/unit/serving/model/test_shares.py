from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from features.event import EventType
from features.profile import Spoken
from serving.model.basket import baskets_of
from serving.model.shares import Reason, Shares, joined, no_shares, reasons, spoken
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import NOW, event, history

INDEX = {"apple": 0, "bread": 1, "cheese": 2}
SOMEBODY = baskets_of(
    [
        history(
            event("apple", at=NOW - timedelta(days=9)),
            event("apple", kind=EventType.VIEW),
            event("bread", kind=EventType.CART),
            event("bread", kind=EventType.VIEW),
        )
    ],
    INDEX,
    NOW,
)
SHARES = Shares(np.array([0, 1], np.int32), np.array([[3, 1], [-1, 2], [-1, 0]], np.float32))


def test_the_strongest_reason_comes_first_with_its_share_and_what_was_done() -> None:
    found = reasons(SHARES, SOMEBODY, Weighting(), most=2)
    assert found[0] == (
        Reason(0, EventType.PURCHASE, 0.75),
        Reason(1, EventType.CART, 0.25),
    )


def test_what_speaks_against_is_no_reason() -> None:
    found = reasons(SHARES, SOMEBODY, Weighting(), most=2)
    assert found[1] == (Reason(1, EventType.CART, 1.0),)
    assert found[2] == ()


def test_one_reason_is_enough_unless_more_are_asked_for() -> None:
    assert [len(of_row) for of_row in reasons(SHARES, SOMEBODY, Weighting())] == [1, 1, 0]


def test_without_shares_there_are_no_reasons() -> None:
    assert reasons(no_shares(2), SOMEBODY, Weighting()) == [(), ()]


def test_of_equal_events_the_latest_is_named() -> None:
    weighting = Weighting({EventType.VIEW: 1.0, EventType.CART: 1.0})
    seen = history(event("apple", kind=EventType.VIEW, at=NOW - timedelta(days=1)))
    seen = seen.join(history(event("apple", kind=EventType.CART, at=NOW - timedelta(days=2))))
    (found,) = reasons(
        Shares(np.array([0], np.int32), np.ones((1, 1), np.float32)),
        baskets_of([seen], INDEX, NOW),
        weighting,
    )
    assert found[0].kind is EventType.VIEW


def test_shares_of_several_models_join_by_item() -> None:
    other = Shares(np.array([1, 2], np.int32), np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    found = joined([SHARES, other], [np.ones(3), np.array([10.0, 10.0, 1.0])], 3)
    assert found.items.tolist() == [0, 1, 2]
    assert found.values.tolist() == [[3, 11, 0], [-1, 2, 10], [-1, 0, 0]]
    assert joined([], [], 2).values.shape == (2, 0)


def test_a_share_is_a_part_of_all_that_speaks_for() -> None:
    found = reasons(SHARES, SOMEBODY, Weighting(), most=9)[0]
    assert sum(one.share for one in found) == pytest.approx(1.0)


def test_what_speaks_most_is_told_as_profiles_store_it() -> None:
    nobody = no_shares(2)
    both = baskets_of([history(), history(event("bread", kind=EventType.CART))], INDEX, NOW)
    theirs = Shares(np.array([1], np.int32), np.array([[0.5], [-0.5], [0.0]], np.float32))
    assert spoken([nobody, theirs], both, Weighting(), list(INDEX)) == [
        (None, None),
        (Spoken(EventType.CART, "bread"), None, None),
    ]
    (found,) = spoken([SHARES], SOMEBODY, Weighting(), list(INDEX))
    assert found == (
        Spoken(EventType.PURCHASE, "apple"),
        Spoken(EventType.CART, "bread"),
        None,
    )
