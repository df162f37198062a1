"""What slates keep whatever rules of the slate as a whole a block has."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.event import EventType
from features.item import Item
from features.profile import Exposure, History, Interaction
from serving.ranking.blocks import Block, RuleName
from serving.ranking.chain import Ask, Ranking, rankings
from serving.ranking.rules.rotation import pressed_items
from serving.ranking.view import ItemView, item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IDS = [f"item-{n}" for n in range(60)]
Option = TypeVar("Option")
Scores = np.ndarray[tuple[int], np.dtype[np.float32]]
CAPS = st.sampled_from([None, 1, 2])

blocks = st.builds(
    Block,
    size=st.integers(1, 8),
    rotation_days=st.sampled_from([None, 0.5, 14.0]),
    category_cap=CAPS,
    brand_cap=CAPS,
    popularity_cap=CAPS,
    popular_share=st.sampled_from([0.01, 0.2]),
    new_share=st.sampled_from([None, 0.25, 1.0]),
    price_spread=st.sampled_from([None, 1.5, 4.0]),
    diversity=st.sampled_from([None, 0.2, 0.8]),
)
moments = st.integers(0, 40).map(lambda days: int(NOW.timestamp()) - days * 86_400)
histories = st.builds(
    History,
    interactions=st.lists(
        st.builds(
            Interaction,
            moments,
            st.just(0),
            st.sampled_from(IDS),
            st.sampled_from([EventType.EMAIL_CLICK, EventType.RETURN]),
        ),
        max_size=6,
    ).map(lambda some: tuple(sorted(some))),
    exposures=st.lists(
        st.builds(
            Exposure,
            moments,
            st.just(0),
            st.just("hero"),
            # Of few items, so that some are shown again and again.
            st.lists(st.sampled_from(IDS[:20]), unique=True, max_size=6).map(tuple),
        ),
        max_size=20,
    ).map(lambda some: tuple(sorted(some))),
)
asks = st.builds(
    Ask,
    blocks,
    st.just(History()) | histories,
    exclude=st.sets(st.sampled_from(IDS), max_size=60),
    count=st.none() | st.integers(0, 12),
)
scores = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(-2, 3, len(IDS)).astype(np.float32)
)


def one_of(random: np.random.Generator, *options: Option) -> Option:
    """Any of these."""
    return options[random.integers(len(options))]


@st.composite
def views(draw: st.DrawFn) -> ItemView:
    """A shop in which some items lack a brand, a price, a category, or stock."""
    random = np.random.default_rng(draw(st.integers(0, 999)))
    kinds = draw(st.integers(1, 5))
    catalogue = {
        name: Item(
            id=name,
            title=name,
            in_stock=bool(random.random() < 0.9),
            brand=one_of(random, None, "k", "l", "m"),
            price=one_of(random, None, 0.0, 1.0, 2.0, 5.0),
            categories=("all", f"kind-{random.integers(kinds)}") if random.random() < 0.9 else (),
            available_from=one_of(random, None, NOW - timedelta(days=3)),
        )
        for name in IDS
    }
    popularity = random.integers(0, 9, len(IDS)).astype(np.float32)
    vectors = random.normal(size=(len(IDS), 3)).astype(np.float32) if draw(st.booleans()) else None
    return item_view(IDS, catalogue, popularity, vectors)


def ranking_of(view: ItemView, given_scores: Scores, ask: Ask) -> Ranking:
    """One slate."""
    return rankings(view, given_scores[None], [ask], NOW)[0]


def turned(view: ItemView, of: Scores, ask: Ask) -> list[int]:
    """All rows that may come, as rotation alone lets them: the definition, spelled out."""
    rows = ranking_of(view, of, plain(ask, len(IDS))).rows.tolist()
    days = ask.block.rotation_days
    pressed = {} if days is None else pressed_items(ask.history, days, NOW)
    places = [place + ask.block.size * pressed.get(IDS[row], 0) for place, row in enumerate(rows)]
    return [rows[n] for n in sorted(range(len(rows)), key=places.__getitem__)]


def plain(ask: Ask, count: int) -> Ask:
    """The same without rules, as long as that."""
    without = msgspec.structs.replace(ask.block, **dict.fromkeys(RuleName))
    return Ask(without, exclude=ask.exclude, count=count)


@settings(deadline=None)
@given(views(), scores, asks)
def test_rules_make_no_slate_shorter_and_let_nothing_in(
    view: ItemView, of: Scores, ask: Ask
) -> None:
    rows = ranking_of(view, of, ask).rows.tolist()
    allowed = ranking_of(view, of, plain(ask, len(IDS))).rows.tolist()
    count = ask.block.size if ask.count is None else ask.count
    assert len(set(rows)) == len(rows) == min(count, len(allowed))
    assert set(rows) <= set(allowed)


@settings(deadline=None)
@given(views(), scores, asks)
def test_the_best_item_that_may_come_is_first_unless_all_must_be_new(
    view: ItemView, of: Scores, ask: Ask
) -> None:
    rows = ranking_of(view, of, ask).rows.tolist()
    if ask.block.new_share != 1.0:
        assert rows[:1] == turned(view, of, ask)[: len(rows)][:1]


@settings(deadline=None)
@given(views(), scores, asks)
def test_rotation_alone_is_what_it_says(view: ItemView, of: Scores, ask: Ask) -> None:
    block = Block(size=ask.block.size, rotation_days=ask.block.rotation_days)
    alone = replace(ask, block=block)
    count = block.size if ask.count is None else ask.count
    assert ranking_of(view, of, alone).rows.tolist() == turned(view, of, alone)[:count]


@settings(deadline=None)
@given(views(), scores, asks)
def test_an_item_that_is_elsewhere_says_from_where_and_by_which_of_the_rules(
    view: ItemView, of: Scores, ask: Ask
) -> None:
    rows, moves = ranking_of(view, of, ask)
    order = ranking_of(view, of, plain(ask, len(IDS))).rows.tolist()
    for place, row in enumerate(rows.tolist(), start=1):
        if row in moves:
            assert moves[row].position == order.index(row) + 1 != place
            assert moves[row].rules
            assert set(moves[row].rules) <= set(ask.block.rules)
        else:
            assert order.index(row) + 1 == place
    assert moves.keys() <= set(rows.tolist())


@settings(deadline=None)
@given(views(), st.lists(st.tuples(scores, asks), max_size=5), blocks)
def test_many_slates_are_each_what_one_would_be_and_the_same_again(
    view: ItemView, asked: list[tuple[Scores, Ask]], block: Block
) -> None:
    several = [replace(ask, block=block, count=None) for _, ask in asked]
    table = np.array([of for of, _ in asked], np.float32).reshape(len(asked), len(IDS))
    together = rankings(view, table, several, NOW)
    alone = [ranking_of(view, of, ask) for of, ask in zip(table, several, strict=True)]
    assert [(rows.tolist(), moves) for rows, moves in together] == [
        (rows.tolist(), moves) for rows, moves in alone
    ]


@settings(deadline=None)
@given(views(), scores, asks)
def test_a_cap_alone_is_broken_only_when_no_other_is_left(
    view: ItemView, of: Scores, ask: Ask
) -> None:
    cap = ask.block.brand_cap
    block = Block(size=ask.block.size, brand_cap=cap)
    if cap is None:
        return
    rows = ranking_of(view, of, Ask(block, exclude=ask.exclude)).rows
    brand = view.traits.brand
    shown = np.bincount(brand[rows][brand[rows] >= 0], minlength=4)
    left = set(ranking_of(view, of, plain(ask, len(IDS))).rows.tolist()) - set(rows.tolist())
    if (shown > cap).any():
        assert all(brand[row] >= 0 and shown[brand[row]] >= cap for row in left)
