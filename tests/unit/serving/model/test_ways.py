from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from serving.model.longest import Longest
from serving.model.ways import Alike, Few, Inner, Way, among_sorted

SCORES = np.array([0.0, 3.0, -1.0, 5.0, 0.0, 1.0, 4.0], np.float32)
WAYS: dict[str, Way] = {
    "inner": Inner(np.array([[1.0]], np.float32), Longest(SCORES[:, None])),
    "few": Few(csr_array(SCORES[None])),
    "alike": Alike(np.maximum(SCORES, 0)),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("count", [1, 3, 99])
def test_every_way_leads_to_the_greatest(name: str, count: int) -> None:
    found = WAYS[name].greatest(0, np.array([3]), count)
    assert found.tolist()[:1] == [6] if name == "alike" else 6 in found
    assert 3 not in found
    assert len(found) <= max(count, 6)


@pytest.mark.parametrize("name", WAYS)
def test_no_score_is_above_its_bound(name: str) -> None:
    way, rows = WAYS[name], np.arange(len(SCORES))
    assert (way.rough(0, rows) <= way.bound(0)).all()
    assert (way.bound(0) >= 0).all()
    np.testing.assert_array_equal(np.maximum(way.rough(0, rows), 0), np.maximum(SCORES, 0))


def test_a_few_scores_are_told_customer_by_customer() -> None:
    few = Few(csr_array(np.stack([SCORES, SCORES[::-1]])))
    assert [few.rough(customer, np.array([3, 6])).tolist() for customer in (0, 1, 0)] == [
        [5.0, 4.0],
        [5.0, 0.0],
        [5.0, 4.0],
    ]


def test_rows_among_others() -> None:
    rows = np.array([4, 0, 9, 2])
    assert among_sorted(rows, np.array([2, 4])).tolist() == [True, False, False, True]
    assert among_sorted(rows, np.empty(0, np.int64)).tolist() == [False] * 4
