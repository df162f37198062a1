from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from msgspec import UNSET

from features.item import Item
from serving.ranking.blocks import Block, RuleName
from serving.slate import Ask, Moved, Rung, Slate
from tests.unit.serving.kit import ANNA, BERT, STATIC, Kit, slates

CATEGORY, BRAND, DIVERSE = RuleName.CATEGORY_CAP, RuleName.BRAND_CAP, RuleName.DIVERSITY
BLOCK = Block(name="hero", size=3, items=STATIC)
SHOP = tuple(
    Item(id=name, title=name.title(), categories=(category,), brand=brand)
    for name, category, brand in (
        ("apple", "fruit", "farm"),
        ("bread", "bakery", "mill"),
        ("cream", "bakery", "farm"),
        ("dates", "fruit", "oasis"),
        ("eggs", "dairy", "farm"),
        ("flour", "bakery", "mill"),
    )
)
Asking = Callable[..., Slate]


@pytest.fixture
def ask(kit: Kit) -> Asking:
    """Asks a shop of six items for a block of these settings."""
    kit.stock(*SHOP)

    def asking(
        customer: str = BERT,
        send: str | None = None,
        *,
        explain: bool = True,
        **settings: object,
    ) -> Slate:
        block = msgspec.structs.replace(BLOCK, **settings)
        kit.configure(block)
        asked = Ask(customer=customer, block="hero", send=send, explain=explain)
        return asyncio.run(kit.service.recommend(asked))

    return asking


def moved(slate: Slate) -> dict[str, object]:
    """What the answer says of each item."""
    return {item.id: item.moved for item in slate.items}


def test_the_model_s_items_say_which_rules_moved_them(kit: Kit, ask: Asking) -> None:
    kit.promote("1")
    kit.know(ANNA, "apple")
    assert moved(ask(ANNA)) == dict.fromkeys(("bread", "cream", "dates"))
    slate = ask(ANNA, category_cap=1)
    assert slate.served_by is Rung.MODEL
    assert moved(slate) == {
        "bread": None,
        "dates": Moved(3, (CATEGORY,)),
        "eggs": Moved(4, (CATEGORY,)),
    }


def test_items_of_a_lower_rung_say_it_too(ask: Asking) -> None:
    assert moved(ask(brand_cap=1)) == {
        "apple": None,
        "bread": None,
        "dates": Moved(4, (BRAND,)),
    }
    assert moved(ask(diversity=0.5)) == {
        "apple": None,
        "bread": None,
        "eggs": Moved(5, (DIVERSE,)),
    }


def test_nothing_is_said_unless_it_was_asked_for(ask: Asking) -> None:
    assert set(moved(ask(explain=False, brand_cap=1)).values()) == {UNSET}


def test_a_pinned_slate_says_it_whoever_asked_first(ask: Asking) -> None:
    first = ask(send="monday", explain=False, category_cap=1)
    again = ask(send="monday", category_cap=1)
    assert [item.id for item in first.items] == [item.id for item in again.items]
    assert moved(again)["eggs"] == Moved(5, (CATEGORY,))


def test_items_of_several_rungs_say_what_moved_them_among_their_own_and_among_all(
    kit: Kit, ask: Asking
) -> None:
    kit.know(ANNA, published=slates(hero=("bread", "cream", "dates")))
    slate = ask(ANNA, size=4, category_cap=1, brand_cap=1)
    assert slate.served_by is Rung.PROFILE
    # Stored: bread, dates, cream. Of the popular ones: apple, bread, eggs. Of all five, the one of
    # dairy comes before the second of a bakery.
    assert [item.id for item in slate.items] == ["bread", "dates", "eggs", "cream"]
    assert moved(slate) == {
        "bread": None,
        "dates": Moved(3, (CATEGORY,)),
        "eggs": Moved(5, (CATEGORY,)),
        "cream": Moved(2, (CATEGORY,)),
    }


def test_a_stored_slate_keeps_its_order_under_rules_that_knew_more(kit: Kit, ask: Asking) -> None:
    stored = ("bread", "cream", "eggs")
    kit.know(ANNA, published=slates(hero=stored))
    slate = ask(ANNA, diversity=0.9, popularity_cap=1, popular_share=0.9)
    assert (slate.served_by, moved(slate)) == (Rung.PROFILE, dict.fromkeys(stored))


def test_a_shelf_of_popular_items_is_not_capped_for_being_popular(ask: Asking) -> None:
    popular = dict.fromkeys(("apple", "bread", "cream"))
    assert moved(ask(popularity_cap=1, popular_share=0.5)) == popular
