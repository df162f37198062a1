from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from features.item import Item
from serving.ranking.view import item_view

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def catalogue(*items: Item) -> dict[str, Item]:
    """Items by id."""
    return {item.id: item for item in items}


def test_only_items_of_the_catalogue_that_are_in_stock_are_available() -> None:
    known = catalogue(Item(id="a", title="A"), Item(id="b", title="B", in_stock=False))
    assert item_view(["a", "b", "c"], known).available(NOW).tolist() == [True, False, False]


def test_without_a_catalogue_everything_is_available_and_nothing_has_a_category() -> None:
    view = item_view(["a", "b"], None)
    assert view.available(NOW).tolist() == [True, True]
    assert view.category.tolist() == [-1, -1]


def test_a_window_opens_at_its_start_and_closes_at_its_end() -> None:
    item = Item(id="a", title="A", available_from=NOW, available_until=NOW + TICK)
    view = item_view(["a", "b"], catalogue(item, Item(id="b", title="B")))
    moments = [NOW - TICK, NOW, NOW + TICK]
    assert [view.available(now).tolist() for now in moments] == [
        [False, True],
        [True, True],
        [False, True],
    ]
    assert [item.available_at(now) for now in moments] == [False, True, False]


def test_one_end_of_a_window_is_enough() -> None:
    known = catalogue(
        Item(id="a", title="A", available_from=NOW + TICK),
        Item(id="b", title="B", available_until=NOW),
    )
    assert item_view(["a", "b"], known).available(NOW).tolist() == [False, False]


def test_a_category_holds_what_is_below_it_and_the_narrowest_is_the_item_s_own() -> None:
    view = item_view(
        ["a", "b", "c", "d"],
        catalogue(
            Item(id="a", title="A", categories=("food", "fruit")),
            Item(id="b", title="B", categories=("food", "bread")),
            Item(id="c", title="C", categories=("food", "fruit")),
            Item(id="d", title="D"),
        ),
    )
    assert view.within(["food"]).tolist() == [True, True, True, False]
    assert view.within(["bread", "nothing"]).tolist() == [False, True, False, False]
    assert view.category.tolist() == [0, 1, 0, -1]


def test_rank_goes_by_popularity_and_ties_by_row() -> None:
    view = item_view(["a", "b", "c"], None, np.array([1, 5, 1], np.float32))
    assert view.rank.tolist() == [1, 0, 2]


def test_without_popularity_the_order_of_the_list_is_the_rank() -> None:
    assert item_view(["c", "a"], None).rank.tolist() == [0, 1]


def test_rows_are_those_of_the_items_that_are_here() -> None:
    assert item_view(["a", "b"], None).rows(["b", "z", "a"]) == [1, 0]


def test_an_empty_list_is_a_view_too() -> None:
    view = item_view([], {})
    assert view.available(NOW).tolist() == []
    assert view.within(["x"]).tolist() == []


def test_another_popularity_ranks_the_same_items_anew() -> None:
    view = item_view(["a", "b", "c"], None, np.array([3, 2, 1], np.float32))
    other = view.ranked(np.array([1, 2, 2], np.float32))
    assert (view.by_rank.tolist(), other.by_rank.tolist()) == ([0, 1, 2], [1, 2, 0])
    assert other.rank.tolist() == [2, 0, 1]
    assert other.items == view.items
