"""What every slate keeps, whatever is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.item import Item
from features.profile import Exposure, History
from serving.ranking.blocks import Block
from serving.ranking.chain import (
    Ask,
    blocked_cells,
    blocked_items,
    eligible_rows,
    rank_many,
    slate_rows,
)
from serving.ranking.view import ItemView, item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IDS = [f"item-{n}" for n in range(200)]

some_items = st.sets(st.sampled_from(IDS), max_size=199)
stamps = st.integers(int(NOW.timestamp()) - 40 * 86_400, int(NOW.timestamp()))
times = st.dictionaries(st.sampled_from(IDS), stamps)
blocks = st.builds(
    Block,
    size=st.integers(1, 50),
    allow_repeats=st.booleans(),
    repeat_after_days=st.sampled_from([0.0, 5.0, 30.0]),
    categories=st.sampled_from([(), ("even",), ("even", "odd")]),
    exclude_categories=st.sampled_from([(), ("odd",)]),
    rotation_days=st.sampled_from([None, 7.0]),
    category_cap=st.sampled_from([None, 1, 3]),
)
exposures = st.lists(
    st.builds(
        Exposure,
        stamps,
        st.just(0),
        st.just("hero"),
        st.lists(st.sampled_from(IDS[:30]), unique=True, max_size=6).map(tuple),
    ),
    max_size=20,
).map(lambda some: tuple(sorted(some)))
histories = st.builds(History, bought=times, returned=times, exposures=exposures)
asks = st.builds(Ask, blocks, histories, exclude=some_items)
scores = st.integers(0, 2**32 - 1).map(
    # Few distinct values, so that ties are common.
    lambda seed: np.random.default_rng(seed).integers(-2, 3, len(IDS)).astype(np.float32)
)


@st.composite
def views(draw: st.DrawFn) -> ItemView:
    """A shop of 200 items, some out of stock."""
    gone = draw(some_items)
    catalogue = {
        name: Item(
            id=name,
            title=name,
            in_stock=name not in gone,
            categories=("even" if n % 2 == 0 else "odd", f"shelf-{n % 7}"),
        )
        for n, name in enumerate(IDS)
    }
    random = np.random.default_rng(draw(st.integers(0, 99)))
    return item_view(IDS, catalogue, random.integers(0, 9, len(IDS)).astype(np.float32))


def may_come(view: ItemView, ask: Ask) -> set[int]:
    """Every row that keeps the rules, spelled out."""
    blocked = blocked_items(ask.block, ask.history, NOW) | set(ask.exclude)
    eligible = np.flatnonzero(eligible_rows(view, ask.block, NOW)).tolist()
    return {row for row in eligible if IDS[row] not in blocked}


@settings(deadline=None)
@given(views(), scores, asks)
def test_a_slate_has_no_duplicates_nothing_blocked_and_is_full_whenever_it_can_be(
    view: ItemView, scores: np.ndarray[tuple[int], np.dtype[np.float32]], ask: Ask
) -> None:
    rows = slate_rows(view, scores, ask, NOW).tolist()
    allowed = may_come(view, ask)
    assert len(set(rows)) == len(rows)
    assert set(rows) <= allowed
    assert len(rows) == min(ask.block.size, len(allowed))


@settings(deadline=None)
@given(views(), scores, asks)
def test_the_same_question_has_the_same_answer(
    view: ItemView, scores: np.ndarray[tuple[int], np.dtype[np.float32]], ask: Ask
) -> None:
    once, again = (slate_rows(view, scores, ask, NOW).tolist() for _ in range(2))
    assert once == again


@settings(deadline=None)
@given(views(), scores, asks)
def test_without_rules_no_row_left_out_is_better_than_one_that_came(
    view: ItemView, scores: np.ndarray[tuple[int], np.dtype[np.float32]], ask: Ask
) -> None:
    if ask.block.rules:
        return
    allowed = sorted(may_come(view, ask), key=lambda row: (-scores[row], view.rank[row]))
    assert slate_rows(view, scores, ask, NOW).tolist() == allowed[: ask.block.size]


@settings(deadline=None)
@given(views(), scores, asks)
def test_a_cap_is_broken_only_when_no_other_category_is_left(
    view: ItemView, scores: np.ndarray[tuple[int], np.dtype[np.float32]], ask: Ask
) -> None:
    cap = ask.block.category_cap
    if cap is None:
        return
    rows = slate_rows(view, scores, ask, NOW)
    shown = np.bincount(view.category[rows], minlength=7)
    left = [row for row in may_come(view, ask) if row not in rows]
    if (shown > cap).any():
        assert all(shown[view.category[row]] >= cap for row in left)


@settings(deadline=None)
@given(views(), st.integers(0, 2**32 - 1), asks)
def test_a_row_that_scores_higher_comes_no_later(view: ItemView, seed: int, ask: Ask) -> None:
    distinct = np.random.default_rng(seed).permutation(len(IDS)).astype(np.float32)
    rows = slate_rows(view, distinct, ask, NOW)
    if not ask.block.rules:
        assert (np.diff(distinct[rows]) < 0).all()


@settings(deadline=None)
@given(views(), st.lists(st.tuples(scores, asks), max_size=6), st.lists(blocks, min_size=1))
def test_many_slates_are_each_what_one_would_be(
    view: ItemView,
    asked: list[tuple[np.ndarray[tuple[int], np.dtype[np.float32]], Ask]],
    shared: list[Block],
) -> None:
    # Some of them ask for the same block, and are ranked together.
    several = [replace(ask, block=shared[n % len(shared)]) for n, (_, ask) in enumerate(asked)]
    table = np.array([of for of, _ in asked], np.float32).reshape(len(asked), len(IDS))
    together = rank_many(view, table, several, NOW)
    alone = [slate_rows(view, of, ask, NOW) for of, ask in zip(table, several, strict=True)]
    assert [rows.tolist() for rows in together] == [rows.tolist() for rows in alone]


@given(blocks, st.lists(histories, max_size=4))
def test_what_is_blocked_for_many_is_blocked_for_each(
    block: Block, histories: list[History]
) -> None:
    moments = np.array(
        [
            [of.get(item, -np.inf) for item in IDS]
            for history in histories
            for of in (history.bought, history.returned)
        ]
    ).reshape(len(histories), 2, len(IDS))
    found = blocked_cells(block, moments[:, 0].ravel(), moments[:, 1].ravel(), NOW)
    for history, blocked in zip(histories, found.reshape(-1, len(IDS)), strict=True):
        assert {IDS[n] for n in np.flatnonzero(blocked)} == blocked_items(block, history, NOW)
