"""Blocks that rotate, through the whole chain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.item import Item
from features.profile import Exposure, History
from serving.ranking import shaping
from serving.ranking.blocks import Block, RuleName
from serving.ranking.chain import Ask, pick_rows, rank_many, rankings
from serving.ranking.shaping import Move
from serving.ranking.view import ItemView, item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TURNED = RuleName.ROTATION
NEVER = History()


def shop(categories: str = "xxxxxxxx", new: str = "") -> ItemView:
    """Items a, b, c …, earlier ones more popular, of the categories of these letters."""
    known = {
        name: Item(
            id=name,
            title=name,
            categories=(category,),
            available_from=NOW - timedelta(days=1) if name in new else None,
        )
        for name, category in zip("abcdefghijklmnopqrst", categories, strict=False)
    }
    return item_view(list(known), known)


def saw(*slates: str, days_ago: float = 0) -> History:
    """Who was shown these slates."""
    moment = int((NOW - timedelta(days=days_ago)).timestamp())
    return History(
        exposures=tuple(
            Exposure(moment, number, "hero", tuple(items)) for number, items in enumerate(slates)
        )
    )


def slate(view: ItemView, block: Block, history: History) -> str:
    """The slate in letters."""
    return "".join(view.items[row] for row in rank_many(view, None, [Ask(block, history)], NOW)[0])


def test_what_was_shown_last_week_and_not_wanted_makes_room() -> None:
    block = Block(size=4, rotation_days=7)
    assert slate(shop(), block, NEVER) == "abcd"
    assert slate(shop(), block, saw("abcd")) == "aebf"
    assert slate(shop(), block, saw("abcd", days_ago=7)) == "abce"
    assert slate(shop(), block, saw("abcd", "abcd")) == "efgh"
    assert slate(shop(), block, saw("abcd", days_ago=365)) == "abcd"


def test_a_block_that_does_not_rotate_shows_the_same_again() -> None:
    assert slate(shop(), Block(size=4), saw("abcd", "abcd")) == "abcd"


def test_a_slate_is_as_long_as_it_would_be_when_everything_was_shown() -> None:
    block = Block(size=4, rotation_days=7)
    assert sorted(slate(shop("xxxx"), block, saw("abcd", "ab"))) == list("abcd")


def test_an_item_says_that_rotation_moved_it() -> None:
    view = shop()
    rows, moves = rankings(view, None, [Ask(Block(size=3, rotation_days=7), saw("a"))], NOW)[0]
    assert {view.items[row]: moves.get(row) for row in rows.tolist()} == {
        "b": Move(2, (TURNED,)),
        "c": Move(3, (TURNED,)),
        "a": Move(1, (TURNED,)),
    }


def test_other_rules_find_the_candidates_as_rotation_leaves_them() -> None:
    view = shop("xyxyxyxy")
    capped = Block(size=2, rotation_days=7, category_cap=1)
    assert slate(view, capped, NEVER) == "ab"
    assert slate(view, capped, saw("a", "a")) == "bc"
    rows, moves = rankings(view, None, [Ask(capped, saw("ac", "ac"))], NOW)[0]
    assert {view.items[row]: moves.get(row) for row in rows.tolist()} == {
        "b": Move(2, (TURNED,)),
        "a": Move(1, (TURNED, RuleName.CATEGORY_CAP)),
    }


def test_diversity_is_told_how_far_an_item_fell() -> None:
    # Of b, c and d, which are alike but for d, c would be next if it had not been shown.
    block = Block(size=4, rotation_days=7, diversity=0.2)
    assert slate(shop("xyzwxyzw"), block, NEVER) == "abcd"
    assert slate(shop("xyzwxyzw"), block, saw("b")) == "acdb"
    assert slate(shop("xyzwxyzw"), block, saw("b", "b", "b")) == "acdf"


def test_new_items_keep_their_share() -> None:
    block = Block(size=4, rotation_days=7, new_share=0.25)
    view = shop("x" * 20, new="st")
    assert slate(view, block, NEVER) == "abcs"
    assert slate(view, block, saw("s", "s")) == "abct"


def test_what_fell_behind_all_that_was_looked_at_lets_others_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shaping, "DEPTH", 2)
    view, block = shop("x" * 20), Block(size=4, rotation_days=7)
    assert slate(view, block, saw("abcd", "abcd")) == "efgh"
    # At first only a to h are looked at: i stands before b.
    assert slate(view, block, saw("abcd", "abcd", "efgh", "efgh")) == "aibj"


def test_those_who_were_shown_nothing_are_not_touched_by_those_who_were() -> None:
    view, block = shop(), Block(size=4, rotation_days=7)
    scores = np.zeros((3, 8), np.float32)
    asks = [Ask(block), Ask(block, saw("abcd", "abcd")), Ask(block)]
    slates = ["".join(view.items[n] for n in rows) for rows in rank_many(view, scores, asks, NOW)]
    assert slates == ["abcd", "efgh", "abcd"]


def test_judging_is_as_if_nothing_had_been_shown() -> None:
    view = shop()
    opened = np.zeros((1, 8), np.float32)
    assert pick_rows(view, opened, Block(size=4, rotation_days=7), NOW).tolist() == [[0, 1, 2, 3]]
