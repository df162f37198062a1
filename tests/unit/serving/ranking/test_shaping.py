from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.item import Item
from serving.ranking import shaping
from serving.ranking.blocks import Block, RuleName
from serving.ranking.chain import Ask, pick_rows, rank_many, rankings
from serving.ranking.shaping import RULES, Move
from serving.ranking.source import Dense
from serving.ranking.top import EMPTY, Rows
from serving.ranking.view import ItemView, item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CATEGORY, BRAND = RuleName.CATEGORY_CAP, RuleName.BRAND_CAP
SPREAD, NEW, DIVERSE = RuleName.PRICE_SPREAD, RuleName.NEW_SHARE, RuleName.DIVERSITY


def shop(
    categories: str = "", brands: str = "", new: str = "", prices: Sequence[float] = ()
) -> ItemView:
    """Items a, b, c …, earlier ones more popular, of the categories and brands of these letters."""
    count = max(len(categories), len(brands), len(prices))
    names = [chr(ord("a") + n) for n in range(count)]
    known = {
        name: Item(
            id=name,
            title=name,
            categories=(categories[n],) if categories else (),
            brand=brands[n] if brands else None,
            price=prices[n] if prices else None,
            available_from=NOW - timedelta(days=1) if name in new else None,
        )
        for n, name in enumerate(names)
    }
    return item_view(names, known)


def explained(view: ItemView, block: Block) -> dict[str, tuple[int, tuple[str, ...]] | None]:
    """The slate's items, each with its place without rules and those that moved it."""
    rows, moves = rankings(view, None, [Ask(block)], NOW)[0]
    return {view.items[row]: moves.get(row) for row in rows.tolist()}


def slate(view: ItemView, block: Block) -> str:
    """The slate in letters."""
    return "".join(explained(view, block))


def test_every_rule_is_there_under_the_name_of_its_setting() -> None:
    assert [RuleName.ROTATION, *RULES] == list(RuleName)
    assert set(RuleName) <= set(Block.__struct_fields__)


def test_a_block_without_rules_moves_nothing() -> None:
    assert explained(shop("xxxx"), Block(size=2)) == {"a": None, "b": None}


def test_rules_that_have_nothing_to_do_move_nothing() -> None:
    view = shop("wxyz", "klmn", new="a", prices=(1, 9, 2, 3))
    block = Block(
        size=4,
        category_cap=1,
        brand_cap=1,
        popularity_cap=4,
        new_share=0.25,
        price_spread=2.0,
        diversity=0.5,
    )
    assert explained(view, block) == dict.fromkeys("abcd")


def test_an_item_says_from_where_it_came_and_which_rule_moved_it() -> None:
    view = shop("xxxyz")
    assert explained(view, Block(size=3, category_cap=1)) == {
        "a": None,
        "d": Move(4, (CATEGORY,)),
        "e": Move(5, (CATEGORY,)),
    }


def test_an_item_that_had_to_wait_says_so_too() -> None:
    assert explained(shop("xxyz"), Block(size=4, category_cap=1)) == {
        "a": None,
        "c": Move(3, (CATEGORY,)),
        "d": Move(4, (CATEGORY,)),
        "b": Move(2, (CATEGORY,)),
    }


def test_several_rules_may_have_moved_an_item() -> None:
    view = shop("xxyyz", "klkmn")
    # After a: b is of its category, c of its brand.
    found = explained(view, Block(size=2, category_cap=1, brand_cap=1))
    assert found == {"a": None, "d": Move(4, (CATEGORY, BRAND))}


def test_a_rule_that_would_leave_nothing_yields_and_moves_nothing() -> None:
    assert explained(shop("xxxx"), Block(size=3, category_cap=1)) == dict.fromkeys("abc")
    assert explained(shop(prices=(9, 9, 9)), Block(size=3, price_spread=2.0)) == dict.fromkeys(
        "abc"
    )
    assert explained(shop("xyz"), Block(size=3, new_share=1.0)) == dict.fromkeys("abc")


def test_the_first_rule_is_the_last_to_yield() -> None:
    view = shop("xxxy", "klmk")
    # Only b and c are of another brand than a, only d is of another category.
    assert slate(view, Block(size=2, category_cap=1, brand_cap=1)) == "ad"


def test_a_cap_looks_as_far_as_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    view = shop("x" * 25 + "y")
    assert slate(view, Block(size=2, category_cap=1)) == "az"
    monkeypatch.setattr(shaping, "CELLS", 1)
    several = rank_many(view, None, [Ask(Block(size=2, category_cap=1))] * 3, NOW)
    assert [rows.tolist() for rows in several] == [[0, 25]] * 3


@pytest.mark.parametrize(
    ("view", "block", "looks"),
    [
        (shop("x" * 60), Block(size=2, category_cap=1), 1),
        (shop("x" * 59 + "y"), Block(size=2, category_cap=1), 3),
        (shop("x" * 59 + "y"), Block(size=3, category_cap=1, categories=("x",)), 1),
        (shop("xy" * 30), Block(size=5, category_cap=2), 1),
        (shop(brands="x" * 60), Block(size=2, brand_cap=1), 1),
        (shop("x" * 60), Block(size=2, popularity_cap=1, popular_share=0.999), 1),
    ],
)
def test_a_cap_that_nothing_could_keep_is_not_looked_for(
    monkeypatch: pytest.MonkeyPatch, view: ItemView, block: Block, looks: int
) -> None:
    depths: list[int] = []
    plain = Dense.best

    def spied(self: Dense, customers: Rows, count: int) -> Rows:
        depths.append(count)
        return plain(self, customers, count)

    monkeypatch.setattr(Dense, "best", spied)
    assert len(slate(view, block)) == block.size
    assert len(depths) == looks


def test_a_price_is_looked_for_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    view = shop(prices=[5.0] * 25 + [10])
    block = Block(size=2, price_spread=2.0)
    assert explained(view, block) == {"a": None, "z": Move(26, (SPREAD,))}
    monkeypatch.setattr(shaping, "REACH", {SPREAD: 9})
    assert slate(view, block) == "az"
    monkeypatch.setattr(shaping, "REACH", {SPREAD: 8})
    assert slate(view, block) == "ab"


def test_new_items_are_found_however_far_down_they_are() -> None:
    view = shop("x" * 26, new="yz")
    block = Block(size=2, new_share=0.5)
    assert explained(view, block) == {"a": None, "y": Move(25, (NEW,))}
    scores = np.zeros((1, 26), np.float32)
    scores[0, 25] = -1
    scores[0, :24] = 1
    rows, moves = rankings(view, scores, [Ask(block)], NOW)[0]
    assert (rows.tolist(), moves) == ([0, 24], {24: Move(25, (NEW,))})


def test_new_items_that_may_not_come_stay_away() -> None:
    view = shop("x" * 26, new="yz")
    ranking = rankings(view, None, [Ask(Block(size=2, new_share=0.5), exclude="yz")], NOW)[0]
    assert ranking.rows.tolist() == [0, 1]


def test_a_longer_slate_begins_with_the_shorter_one() -> None:
    view = shop("xxyxzyxzzy", "kllkmmknnk", new="fj", prices=range(1, 11))
    block = Block(size=4, category_cap=2, brand_cap=2, new_share=0.25, diversity=0.4)
    short, long = (rankings(view, None, [Ask(block, count=n)], NOW)[0].rows for n in (4, 8))
    assert long[:4].tolist() == short.tolist()


def test_pick_rows_gives_full_slates_with_empty_ends() -> None:
    view = shop("xxyz")
    opened = np.zeros((2, 4), np.float32)
    opened[1, 1:] = -np.inf
    found = pick_rows(view, opened, Block(size=3, category_cap=1), NOW)
    assert found.tolist() == [[0, 2, 3], [0, EMPTY, EMPTY]]
    assert pick_rows(view, opened, Block(size=3, category_cap=1), NOW, 0).shape == (2, 0)
    assert pick_rows(view, opened, Block(size=3), NOW).tolist()[1] == [0, EMPTY, EMPTY]
