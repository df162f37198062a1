from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from scipy.sparse import csr_array

from serving.model.basket import baskets_of
from tests.unit.training.samples import AT, UNTIL, WEIGHTING, checkerboard_held_out
from training.heldout import held_out_of

WHEN = datetime(2010, 10, 1, tzinfo=UTC)


def test_a_bundle_s_baskets_are_what_it_makes_of_each_history() -> None:
    held_out = checkerboard_held_out()
    # A bundle that doesn't know some of the items, and others that nobody dealt with.
    index = {"item-05": 0, "never-seen": 1, "item-01": 2, "item-04": 3}
    found = held_out.baskets(index)
    expected = baskets_of(held_out.histories, index, AT)
    assert found.items == expected.items == 4
    assert found.starts.tolist() == expected.starts.tolist()
    assert found.rows.dtype == np.int32
    weights = [one.weights(WEIGHTING).toarray().tolist() for one in (found, expected)]
    assert weights[0] == weights[1]
    assert np.count_nonzero(weights[0]) == len(found.rows) > 10


def test_a_published_split_is_held_out_as_it_is() -> None:
    before = csr_array(np.array([[1.0, 0, 2.0], [0, 1.0, 0]], np.float32))
    after = csr_array(np.array([[0, 1.0, 0], [1.0, 0, 1.0]], np.float32))
    held_out = held_out_of(before, after, ("anna", "ben"), ("a", "b", "c"), (WHEN, UNTIL))
    assert [sorted(of) for of in held_out.targets] == [["b"], ["a", "c"]]
    assert [sorted(one.owned()) for one in held_out.histories] == [["a", "c"], ["b"]]
    assert [[seen.item for seen in one.interactions] for one in held_out.histories] == [
        ["a", "c", "c"],
        ["b"],
    ]
    assert held_out.baskets({"a": 0, "b": 1, "c": 2}).ages.tolist() == [0.0] * 4
