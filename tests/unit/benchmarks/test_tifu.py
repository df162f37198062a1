"""TIFU-kNN on three customers, reckoned by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tifu import DAY, Tifu, TifuParams, vectors_of
from features.event import EventType
from serving.model.basket import KINDS, Baskets

PURCHASE, VIEW = KINDS.index(EventType.PURCHASE), KINDS.index(EventType.VIEW)
PARAMS = TifuParams(neighbours=1, alpha=0.75, group=2, within=0.5, between=0.25)


def shop() -> Baskets:
    """Ann buys item 0 on three days, item 1 on the newest too; Bob item 2; Cid items 0 and 3."""
    bought = [
        [(0, 1), (0, 1), (1, 1), (0, 2), (0, 3)],  # twice on one day is one basket
        [(2, 5)],
        [(0, 4), (3, 4)],
    ]
    rows = [item for customer in bought for item, _ in customer]
    days = [day for customer in bought for _, day in customer]
    ends = np.cumsum([0, *(len(customer) for customer in bought)])
    kinds = np.full(len(rows), PURCHASE, np.uint8)
    return Baskets(ends, np.array(rows, np.int32), kinds, np.array(days) * DAY, 4)


def test_baskets_fade_within_groups_and_groups_fade() -> None:
    # Ann: the newest group is days 1 and 2, the older one day 3 alone; two groups.
    newest = np.array([1.0 + 0.5, 1.0, 0, 0]) / 2
    oldest = np.array([0.25, 0, 0, 0])
    expected = [(newest + oldest) / 2, [0, 0, 1, 0], [1, 0, 0, 1]]
    np.testing.assert_allclose(vectors_of(shop(), PARAMS).toarray(), expected)


def test_a_customer_is_given_what_the_nearest_other_has() -> None:
    # From Cid it is 1.08 squared to Ann, and 3 to Bob.
    ann, _, cid = vectors_of(shop(), PARAMS).toarray()
    scores = Tifu(shop(), PARAMS)(np.array([2]))
    np.testing.assert_allclose(scores, [0.75 * cid + 0.25 * ann], rtol=1e-6)


def test_only_purchases_count() -> None:
    baskets = shop()
    baskets.kinds[-1] = VIEW
    assert vectors_of(baskets, PARAMS).toarray()[2].tolist() == pytest.approx([1, 0, 0, 0])
