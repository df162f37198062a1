from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.model import longest
from serving.model.longest import FIRST, GROWS, HEAD, Longest


def factors_of(seed: int, items: int, *, alike: bool) -> np.ndarray[tuple[int, int], np.dtype]:
    """Vectors of whole numbers, so that products are exact; of all lengths, or all of one."""
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1, 1], np.float32), (items, 4))
    return signs if alike else signs * random.integers(0, 40, (items, 1)).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 60, FIRST + 7, HEAD * GROWS]),
    st.sampled_from(["alike", "of all kinds"]),
    st.sampled_from([1, 5, 100]),
    st.sampled_from([0.0, 0.3, 0.95]),
)
def test_the_best_are_among_what_is_found(
    seed: int, items: int, lengths: str, count: int, gone: float
) -> None:
    random = np.random.default_rng(seed)
    factors = factors_of(seed, items, alike=lengths == "alike")
    eligible = random.random(items) >= gone
    vectors = random.integers(-3, 4, (3, 4)).astype(np.float32)
    closed = [random.choice(items, min(items, size), replace=False) for size in (0, 1, 50)]
    found = Longest(factors).among(eligible).best(vectors, closed, count)
    for vector, rows, shut in zip(vectors, found, closed, strict=True):
        scores = factors @ vector
        open_to = eligible.copy()
        open_to[shut] = False
        assert open_to[rows].all()
        assert len(set(rows.tolist())) == len(rows) >= min(count, open_to.sum())
        left = open_to.copy()
        left[rows] = False
        if left.any() and len(rows):
            assert scores[left].max() < np.sort(scores[rows])[-min(count, len(rows))]


def test_few_are_looked_at_where_lengths_differ() -> None:
    items = 50_000
    factors = np.random.default_rng(1).standard_normal((items, 8)).astype(np.float32)
    factors *= (1.0 / np.arange(1, items + 1))[:, None].astype(np.float32)
    among = Longest(factors).everything
    asked: list[int] = []
    plain = among._scores

    def counted(vector: np.ndarray[tuple[int], np.dtype], start: int, end: int) -> np.ndarray:
        asked.append(end - start)
        return plain(vector, start, end)

    among._scores = counted  # type: ignore[method-assign] # a spy
    among.best(factors[:4], [np.empty(0, np.int64)] * 4, 3)
    assert sum(asked) == 0  # the first of them are enough
    assert items / 50 > FIRST


def test_the_greatest_comes_with_others_that_had_to_be_looked_at() -> None:
    factors = factors_of(3, 2_000, alike=False)
    vector = np.array([1, -2, 3, 1], np.float32)
    scores = factors @ vector
    best = np.argsort(-scores, kind="stable")
    found = Longest(factors).everything.greatest(vector, np.sort(best[:5]), 20)
    assert len(found) == 20
    assert scores[found].max() == scores[best[5]]
    assert not set(found.tolist()) & set(best[:5].tolist())
    small = Longest(factors[:3]).everything.greatest(vector, np.array([1]), 20)
    assert sorted(small.tolist()) == [0, 2]


def test_beyond_the_exact_an_answer_looks_at_so_many_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(longest, "EXACT", 3_000)
    monkeypatch.setattr(longest, "LIMIT", 1_500)
    factors = np.ones((4_000, 2), np.float32)
    factors[:1_400] *= 2
    factors[3_999] *= 3  # the longest, so that it is looked at first
    vector = np.array([[0.0, 0.0]], np.float32)
    found = Longest(factors).everything.best(vector, [np.empty(0, np.int64)], 10)[0]
    assert len(found) == 1_500
    assert {3_999, 0, 1_399} <= set(found.tolist())
    assert len(Longest(factors[:3_000]).everything.best(vector, [np.arange(5)], 10)[0]) == 2_995
