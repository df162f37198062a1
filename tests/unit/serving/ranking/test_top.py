from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.top import EMPTY, PILE, best_rows


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 5),
    st.sampled_from([1, 7, PILE - 1, 5 * PILE, 40 * PILE + 3]),
    st.sampled_from([1, 2, 9, 10_000]),
    st.sampled_from([0, 1, 4, 39, 5 * PILE]),
)
def test_the_best_rows_are_those_that_a_full_sort_puts_first(
    seed: int, customers: int, width: int, levels: int, count: int
) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(-levels, levels, (customers, width)).astype(np.float32)
    scores[random.random(scores.shape) < random.random()] = random.choice([0, -np.inf])
    rank = random.permutation(width)
    found = best_rows(scores, rank, np.argsort(rank), count)
    assert found.shape == (customers, min(count, width))
    for row, of_one in zip(found, scores, strict=True):
        expected = [place for place in np.lexsort((rank, -of_one)) if of_one[place] > -np.inf]
        shown = row[row != EMPTY].tolist()
        assert shown == expected[: len(row)]
        assert (row[len(shown) :] == EMPTY).all()


def test_equal_scores_are_told_apart_by_rank_however_far_down_the_equals_lie() -> None:
    width = 50 * PILE
    scores = np.ones((2, width), np.float32)
    scores[1, : width - 2] = 0.0
    rank = np.arange(width)
    assert best_rows(scores, rank, rank, 3).tolist() == [[0, 1, 2], [width - 2, width - 1, 0]]
    scores[0, : width - 5] = -1.0
    scores[0, 7 * 50] = 2.0
    assert best_rows(scores, rank, rank, 3)[0].tolist() == [350, width - 5, width - 4]
