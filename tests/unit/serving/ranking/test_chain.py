from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.event import Event, EventType
from features.item import Item
from features.profile import History, history_of
from serving.ranking.blocks import Block
from serving.ranking.chain import Ask, blocked_items, rank_many, slate_rows
from serving.ranking.view import ItemView, item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LETTERS = "abcdefgh"
BLOCK = Block(name="hero", size=3)
AGAIN = Block(name="again", size=3, allow_repeats=True)
NEVER = -np.inf


def view(categories: Sequence[str] = "", **changed: Item) -> ItemView:
    """Eight items a to h, earlier ones more popular, each in the category of its letter."""
    known = {
        name: Item(id=name, title=name, categories=tuple(category.split()))
        for name, category in zip(LETTERS, categories or [""] * 8, strict=True)
    }
    return item_view(list(LETTERS), known | changed, np.arange(8, 0, -1, dtype=np.float32))


def slate(scores: Sequence[float] | None, ask: Ask, items: ItemView | None = None) -> str:
    """The slate in letters."""
    seen = items or view()
    array = None if scores is None else np.array(scores, np.float32)
    return "".join(LETTERS[row] for row in slate_rows(seen, array, ask, NOW))


def bought(*items: str, days_ago: float = 1, kind: EventType = EventType.PURCHASE) -> History:
    """The history of somebody who bought these."""
    at = NOW - timedelta(days=days_ago)
    return history_of(
        Event(id=item, type=kind, customer="ck_" + "0" * 32, occurred_at=at, item=item)
        for item in items
    )


def test_the_best_scores_come_first() -> None:
    assert slate([0, 1, 2, 3, 4, 5, 6, 7], Ask(BLOCK)) == "hgf"


def test_ties_go_to_the_more_popular_so_a_silent_model_is_filled_up_by_popularity() -> None:
    assert slate([0, 0, 0, 0, 0, 0, 0, 9], Ask(BLOCK)) == "hab"
    assert slate([0.0] * 8, Ask(BLOCK)) == slate(None, Ask(BLOCK)) == "abc"


def test_scores_that_are_no_numbers_come_last() -> None:
    assert slate([np.nan, np.inf, NEVER, -5, -6, NEVER, NEVER, NEVER], Ask(BLOCK)) == "dea"


def test_the_ask_may_want_more_or_fewer_than_the_block() -> None:
    assert slate(None, Ask(BLOCK, count=5)) == "abcde"
    assert slate(None, Ask(BLOCK, count=0)) == ""
    assert slate(None, Ask(BLOCK, count=-1)) == ""
    assert slate(None, Ask(BLOCK, count=99)) == LETTERS


def test_owned_items_never_come_unless_the_block_allows_repeats() -> None:
    assert slate(None, Ask(BLOCK, bought("a", "c", days_ago=900))) == "bde"
    assert slate(None, Ask(AGAIN, bought("a", "c"))) == "abc"


def test_a_block_that_allows_repeats_may_wait_for_a_while() -> None:
    patient = Block(name="again", size=3, allow_repeats=True, repeat_after_days=7)
    assert slate(None, Ask(patient, bought("a", days_ago=6.9))) == "bcd"
    assert slate(None, Ask(patient, bought("a", days_ago=7.1))) == "abc"


def test_what_was_returned_lately_stays_away_for_a_while() -> None:
    past = bought("a", days_ago=3).join(bought("a", days_ago=2, kind=EventType.RETURN))
    wary = Block(name="hero", size=3, repeat_after_days=30)
    assert blocked_items(BLOCK, past, NOW) == set()
    assert blocked_items(wary, past, NOW) == {"a"}
    assert blocked_items(wary, past, NOW + timedelta(days=30)) == set()


def test_looking_does_not_buy() -> None:
    assert slate(None, Ask(BLOCK, bought("a", kind=EventType.VIEW))) == "abc"


def test_items_of_the_send_s_other_blocks_are_not_repeated() -> None:
    assert slate(None, Ask(BLOCK, exclude=("a", "b", "unknown"))) == "cde"


def test_out_of_stock_items_never_come() -> None:
    items = view(a=Item(id="a", title="A", in_stock=False))
    assert slate([9, 0, 0, 0, 0, 0, 0, 0], Ask(BLOCK), items) == "bcd"


def test_a_block_keeps_to_its_categories() -> None:
    items = view(["x", "x", "y", "y", "x z", "z", "y", "x"])
    assert slate(None, Ask(Block(size=9, categories=("x",))), items) == "abeh"
    assert slate(None, Ask(Block(size=9, exclude_categories=("x", "z"))), items) == "cdg"
    both = Block(size=9, categories=("x",), exclude_categories=("z",))
    assert slate(None, Ask(both), items) == "abh"


def test_a_cap_makes_room_for_other_categories() -> None:
    items = view("xxxxxyyz")
    assert slate(None, Ask(Block(size=3, category_cap=1)), items) == "afh"
    assert slate(None, Ask(Block(size=4, category_cap=2)), items) == "abfg"


def test_a_cap_yields_rather_than_leave_the_slate_short() -> None:
    items = view("xxxxxxxy")
    assert slate(None, Ask(Block(size=4, category_cap=1)), items) == "ahbc"
    # Also when all that is looked at first is of one category.
    assert slate(None, Ask(Block(size=2, category_cap=1)), view(["one"] * 8)) == "ab"


def test_items_without_a_category_are_not_capped() -> None:
    items = view(["", "", "", "x", "x", "", "", ""])
    assert slate(None, Ask(Block(size=5, category_cap=1)), items) == "abcdf"


def test_a_slate_is_short_only_when_nothing_else_is_eligible() -> None:
    assert slate(None, Ask(BLOCK, bought(*"abcdefg"))) == "h"
    assert slate(None, Ask(BLOCK, bought(*LETTERS))) == ""


def test_no_items_give_an_empty_slate() -> None:
    assert slate_rows(item_view([], {}), None, Ask(BLOCK), NOW).tolist() == []


def test_the_scores_that_were_given_are_not_changed() -> None:
    scores = np.arange(8, dtype=np.float32)
    scores.setflags(write=False)
    slate_rows(view(), scores, Ask(BLOCK, bought("h")), NOW)
    assert scores.tolist() == list(range(8))


@pytest.mark.parametrize("scored", [True, False])
def test_many_slates_are_each_what_one_would_be(*, scored: bool) -> None:
    items = view("xxxxxyyz")
    scores = np.random.default_rng(3).random((3, 8), np.float32) if scored else None
    capped = Block(name="capped", size=3, category_cap=1)
    asks = [Ask(BLOCK, bought("a")), Ask(capped), Ask(BLOCK)]
    alone = [
        slate_rows(items, None if scores is None else scores[n], ask, NOW).tolist()
        for n, ask in enumerate(asks)
    ]
    assert [rows.tolist() for rows in rank_many(items, scores, asks, NOW)] == alone


def test_a_large_catalogue_is_ranked_as_a_full_sort_would() -> None:
    random = np.random.default_rng(11)
    size = 5_000
    items = item_view([str(n) for n in range(size)], None, random.random(size, np.float32))
    ask = Ask(Block(size=20))
    for levels in (1, 3, 1_000):
        scores = random.integers(0, levels, size).astype(np.float32)
        scores[random.random(size) < 0.5] = 0
        expected = np.lexsort((items.rank, -scores))[:20]
        assert slate_rows(items, scores, ask, NOW).tolist() == expected.tolist()
