from __future__ import annotations

from features.item import Item
from serving.ranking.blocks import Block
from serving.ranking.rules.brand_cap import brand_cap
from serving.ranking.rules.category_cap import category_cap
from serving.ranking.rules.popularity_cap import popularity_cap
from tests.unit.serving.ranking.rules.pools import LETTERS, able, named, pool_of


def test_a_category_that_has_its_places_gets_no_more() -> None:
    pool = pool_of(Block(size=4, category_cap=2), *named(categories="xxxyy"))
    assert able(category_cap, pool, "a") == "bcde"
    assert able(category_cap, pool, "ab") == "de"
    assert able(category_cap, pool, "abde") == ""


def test_a_brand_that_has_its_places_gets_no_more() -> None:
    pool = pool_of(Block(size=4, brand_cap=1), *named(brands="xxyxz"))
    assert able(brand_cap, pool, "") == "abcde"
    assert able(brand_cap, pool, "a") == "ce"
    assert able(brand_cap, pool, "ac") == "e"


def test_items_without_a_brand_or_category_are_not_capped() -> None:
    pool = pool_of(Block(size=4, brand_cap=1, category_cap=1), *named(brands="..x."))
    assert able(brand_cap, pool, "ab") == "cd"
    assert able(category_cap, pool, "ab") == "cd"


def test_a_cap_holds_back_but_does_not_let_in_whom_another_rule_held_back() -> None:
    pool = pool_of(Block(size=4, brand_cap=1), *named(brands="xxyz"))
    assert able(brand_cap, pool, "a", barred="c") == "d"


def test_once_the_popular_have_their_places_the_others_come() -> None:
    block = Block(size=4, popularity_cap=2, popular_share=0.5)
    pool = pool_of(block, *(Item(id=name, title=name) for name in LETTERS))
    assert able(popularity_cap, pool, "a") == "bcdefgh"
    assert able(popularity_cap, pool, "ah") == "bcdefg"
    assert able(popularity_cap, pool, "ad") == "efgh"
