"""Short ways lead to the very rows that a look at all scores does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.item import Item
from features.profile import History
from serving.model.arrays import Array
from serving.model.basket import Baskets
from serving.model.bundle import Bundle, make_bundle
from serving.model.manifest import Param, Part, Say
from serving.model.scoring import open_scorer
from serving.model.weighting import Weighting
from serving.ranking.blocks import Block
from serving.ranking.chain import Ask, Ranking, rankings
from serving.ranking.eligible import MOST_KINDS, eligible
from serving.ranking.source import Those, Told
from serving.ranking.view import ItemView, item_view
from tests.unit.serving.model.samples import FACTS, bundle_of, purchases

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COUNT = 300
IDS = tuple(f"item-{number:03}" for number in range(COUNT))
PLAIN = Weighting(half_life_days=None)
RANDOM = np.random.default_rng(11)


def whole(columns: int) -> Array:
    """Factors of whole numbers, many of them alike, so that scores are exact and tie often."""
    lengths = RANDOM.integers(0, 6, (COUNT, 1))
    return (RANDOM.integers(-2, 3, (COUNT, columns)) * lengths).astype(np.float32)


def sparse() -> dict[str, Array]:
    """Some neighbours of each item, a few of which speak against it."""
    counts = RANDOM.integers(0, 8, COUNT)
    rows = [np.sort(RANDOM.choice(COUNT, count, replace=False)) for count in counts]
    return {
        "neighbour_starts": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "neighbours": np.concatenate(rows).astype(np.int32),
        "similarities": RANDOM.integers(-1, 4, counts.sum()).astype(np.float32),
    }


FACTORS: dict[str, Array] = {"in_factors": whole(5), "out_factors": whole(5)}
ARRAYS: Mapping[str, dict[str, Array]] = {
    "graph_filter": FACTORS,
    "item_knn": sparse(),
    "als": {"item_factors": whole(6)},
    "popularity": {},
    "ease": {**sparse(), **FACTORS},
}
ALS: dict[str, Param] = {"regularization": 8.0, "alpha": 2.0}


def blend(names: tuple[str, ...]) -> Bundle:
    """A blend in which one part counts more and more, and then less."""
    says = (Say(-0.5, 0.9), Say(1.0, 0.3), Say(0.6), Say(0.4, -0.2))
    parts = [
        Part(
            algorithm=name, params=ALS if name == "als" else {}, weighting=PLAIN, new=say, again=say
        )
        for name, say in zip(names, says, strict=False)
    ]
    arrays = {
        f"part{number}_{name}": array
        for number, part in enumerate(parts)
        for name, array in ARRAYS[part.algorithm].items()
    }
    popularity = RANDOM.integers(0, 9, COUNT).astype(np.float32)
    return make_bundle(
        algorithm="blend",
        params={"again": 0.1},
        weighting=PLAIN,
        items=IDS,
        arrays={"popularity": popularity, **arrays},
        data=FACTS,
        created_at=NOW,
        parts=parts,
    )


BUNDLES = {
    **{
        name: bundle_of(name, IDS, ALS if name == "als" else {}, arrays)
        for name, arrays in ARRAYS.items()
    },
    "blend": blend(("graph_filter", "item_knn", "als", "popularity")),
    "blend without a way": blend(("ease", "als")),
}
BLOCKS = (
    Block(size=4),
    Block(size=7, categories=("even",), category_cap=2),
    Block(size=3, allow_repeats=True),
    Block(size=5, new_share=0.4, diversity=0.5, popularity_cap=1),
    Block(size=40, category_cap=1),
)


def shop() -> ItemView:
    """Everything in stock but for a few, some only from now on."""
    items = {
        name: Item(
            id=name,
            title=name,
            in_stock=number % 13 > 0,
            categories=("even" if number % 2 == 0 else "odd", f"shelf-{number % 5}"),
            available_from=NOW if number % 9 == 0 else None,
        )
        for number, name in enumerate(IDS)
    }
    return item_view(IDS, items, RANDOM.integers(0, 9, COUNT).astype(np.float32))


VIEW = shop()
baskets = st.lists(
    st.dictionaries(st.integers(0, COUNT - 1), st.integers(1, 2), max_size=6),
    min_size=1,
    max_size=4,
)


def exact(bundle: Bundle, table: Baskets) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Every score to the last bit."""
    tastes = open_scorer(bundle).tastes(table)
    every = np.arange(COUNT)
    return np.stack([tastes.at(customer, every) for customer in range(len(table))])


def plainly(scores: np.ndarray[tuple[int], np.dtype[np.float64]], ask: Ask) -> list[int]:
    """The best rows, spelled out."""
    open_to = VIEW.available(NOW).copy()
    if ask.block.categories:
        open_to &= VIEW.within(ask.block.categories)
    open_to[VIEW.rows([*ask.exclude, *(() if ask.block.allow_repeats else ask.history.bought)])] = 0
    order = np.lexsort((VIEW.rank, -scores))
    return [row for row in order.tolist() if open_to[row]][: ask.block.size]


def told(bundle: Bundle, table: Baskets, asks: list[Ask]) -> list[Ranking]:
    """What the chain makes of the scorer's tastes."""
    return rankings(VIEW, Told(open_scorer(bundle).tastes(table)), asks, NOW)


@pytest.mark.parametrize("name", BUNDLES)
@settings(deadline=None, max_examples=25)
@given(baskets, st.sampled_from([BLOCKS[0], BLOCKS[2]]))
def test_the_rows_are_the_best_of_all_that_may_come(
    name: str, bought: list[dict[int, int]], block: Block
) -> None:
    table = purchases(*bought, items=COUNT)
    asks = [
        Ask(block, History(bought={IDS[row]: 1 for row in one}), exclude=IDS[:5]) for one in bought
    ]
    found = told(BUNDLES[name], table, asks)
    for ranking, scores, ask in zip(found, exact(BUNDLES[name], table), asks, strict=True):
        assert ranking.rows.tolist() == plainly(scores, ask)


@pytest.mark.parametrize("name", BUNDLES)
@settings(deadline=None, max_examples=15)
@given(baskets, st.sampled_from(BLOCKS))
def test_slates_and_moves_are_those_of_the_exact_scores(
    name: str, bought: list[dict[int, int]], block: Block
) -> None:
    table = purchases(*bought, items=COUNT)
    asks = [Ask(block, History(bought={IDS[row]: 1 for row in one})) for one in bought]
    found = told(BUNDLES[name], table, asks)
    # Whole numbers that tell the order of the scores, which single precision may not.
    scores = exact(BUNDLES[name], table)
    levels = np.stack([np.unique(of_one, return_inverse=True)[1] for of_one in scores])
    dense = rankings(VIEW, levels.astype(np.float32), asks, NOW)
    for short, plain in zip(found, dense, strict=True):
        assert short.rows.tolist() == plain.rows.tolist()
        if "blend" not in name:  # whose scores of all rows are rounded
            assert short.moves == plain.moves


@pytest.mark.parametrize("name", ["als", "graph_filter", "item_knn", "blend"])
def test_a_row_s_place_is_the_one_that_it_has_among_all(name: str) -> None:
    block, table = BLOCKS[0], purchases({}, {7: 1, 8: 2}, items=COUNT)
    closed = np.array([20, 30])
    tastes = Told(open_scorer(BUNDLES[name]).tastes(table))
    one, source = (
        tastes.short_way(Those(eligible(VIEW, block, NOW), [1], [closed])) for _ in range(2)
    )
    assert one is not None
    assert source is not None
    rows = source.best(np.array([0]), COUNT)[0]
    rows = rows[rows >= 0]
    assert [source.position(0, row) for row in rows[:40].tolist()] == list(range(1, 41))
    told = source.of(np.array([0]), np.array([20, *rows[:3]]))[0]
    assert told[0] == -np.inf
    assert (np.diff(told[1:]) <= 0).all()


@pytest.mark.parametrize("name", BUNDLES)
def test_who_else_is_asked_for_makes_no_difference_to_a_bit(name: str) -> None:
    bought = [{int(row): 1 for row in RANDOM.choice(COUNT, size)} for size in (1, 40, 3, 0, 9)]
    together = exact(BUNDLES[name], purchases(*bought, items=COUNT))
    for one, scores in zip(bought, together, strict=True):
        alone = exact(BUNDLES[name], purchases(one, items=COUNT))
        np.testing.assert_array_equal(alone[0], scores)


@pytest.mark.parametrize("name", BUNDLES)
def test_no_item_asked_for_is_an_empty_slate(name: str) -> None:
    table = purchases({1: 1}, items=COUNT)
    (found,) = told(BUNDLES[name], table, [Ask(Block(size=4), count=0)])
    assert found.rows.tolist() == []


def test_what_may_come_is_worked_out_anew_only_when_a_window_opens() -> None:
    block = BLOCKS[1]
    before = NOW.replace(year=2025)
    first = eligible(VIEW, block, NOW)
    assert eligible(VIEW, msgspec.structs.replace(block, size=9), NOW) is first
    early = eligible(VIEW, block, before)
    assert early is not first
    assert early.mask.sum() < first.mask.sum()
    np.testing.assert_array_equal(eligible(VIEW, block, NOW).mask, first.mask)
    assert not set(first.never.tolist()) & set(first.by_rank.tolist())
    for number in range(MOST_KINDS + 1):
        eligible(VIEW, Block(size=1, categories=(f"shelf-{number}",)), NOW)
    assert len(VIEW.kept) <= MOST_KINDS
    again = VIEW.ranked(np.arange(COUNT, dtype=np.float32))
    assert eligible(again, block, NOW).by_rank.tolist() != first.by_rank.tolist()
    assert replace(again).kept is again.kept
