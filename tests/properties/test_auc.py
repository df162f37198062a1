"""What beats a target is what comparing it with each score, one by one, counts."""

from __future__ import annotations

from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import auc

SCORES = (-np.inf, -3.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, 1.0 + 2**-23, 2.5)
"""Few, so that many tie: two of them are the same, and two as near as single precision knows."""

Table: TypeAlias = list[list[float]]

finite = st.lists(st.sampled_from(SCORES[1:]), max_size=7)
some_of_each = st.lists(st.tuples(finite, finite), min_size=1, max_size=6)


@st.composite
def wide(draw: st.DrawFn) -> tuple[Table, Table]:
    """Scores of each customer, as many of everybody, and what is sought among them."""
    values = draw(st.lists(finite, min_size=1, max_size=6))
    width = draw(st.integers(1, 12))
    row = st.lists(st.sampled_from(SCORES), min_size=width, max_size=width)
    return draw(st.lists(row, min_size=len(values), max_size=len(values))), values


@given(wide(), st.integers(0, 6), st.integers(1, 5))
def test_targets_are_beaten_by_what_one_by_one_counts(
    shop: tuple[Table, Table], many: int, bars: int
) -> None:
    scores, values = shop
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auc, "MANY", many)
        patch.setattr(auc, "COMPARED", bars * auc.WORD * auc.ADDED)
        found = auc.beaten_by(np.array(scores, np.float32), *flat(values))
    assert found.tolist() == counted(scores, values)


@given(some_of_each, st.integers(0, 99))
def test_few_scores_are_counted_alike_in_any_order(
    pairs: list[tuple[list[float], list[float]]], seed: int
) -> None:
    scores, values = ([pair[side] for pair in pairs] for side in (0, 1))
    among, owners = flat(scores)
    order = np.random.default_rng(seed).permutation(len(among))
    found = auc.beaten_by_few(*flat(values), among[order], owners[order])
    assert found.tolist() == counted(scores, values)


def flat(values: Table) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """All values in single precision, and whose each is."""
    owners = [number for number, some in enumerate(values) for _ in some]
    return np.array([*chain(*values)], np.float32), np.array(owners, np.int64)


def counted(scores: Table, values: Table) -> list[float]:
    """What beats each value, customer by customer."""
    return [
        sum((one > value) + (one == value) / 2 for one in np.array(scores[customer], np.float32))
        for customer, some in enumerate(values)
        for value in np.array(some, np.float32)
    ]
