from __future__ import annotations

from serving.ranking.blocks import Block
from serving.ranking.rules.diversity import diversity
from tests.unit.serving.ranking.rules.pools import able, named, pool_of

RIGHT, UP, LEFT, NONE = (1.0, 0.0), (0.0, 3.0), (-1.0, 0.0), (0.0, 0.0)


def test_the_first_place_is_the_best_item_s() -> None:
    pool = pool_of(Block(size=2, diversity=0.9), *named(categories="xxy"))
    assert able(diversity, pool, "") == "abc"


def test_an_item_of_another_category_comes_before_a_better_one_of_the_same() -> None:
    pool = pool_of(Block(size=4, diversity=0.5), *named(categories="xxxyx"))
    assert able(diversity, pool, "a") == "d"
    assert able(diversity, pool, "ad") == "b"


def test_how_far_an_item_rises_is_bounded_by_how_much_diversity_is_wanted() -> None:
    # It rises past at most size * diversity / (1 - diversity) others, here 1 and 3.
    for share, chosen in ((0.2, "b"), (0.43, "e")):
        pool = pool_of(Block(size=4, diversity=share), *named(categories="xxxxyx"))
        assert able(diversity, pool, "a") == chosen


def test_vectors_tell_how_alike_items_are_where_there_are_any() -> None:
    items = named(categories="xyxx")
    pool = pool_of(Block(size=4, diversity=0.5), *items, vectors=[RIGHT, RIGHT, UP, RIGHT])
    assert able(diversity, pool, "a") == "c"


def test_the_length_of_a_vector_says_nothing() -> None:
    vectors = [(5.0, 0.0), (0.1, 0.0), (4.0, 1.0), (0.0, 0.1)]
    pool = pool_of(Block(size=9, diversity=0.9), *named(categories="xxxx"), vectors=vectors)
    assert able(diversity, pool, "a") == "d"
    assert able(diversity, pool, "ad") == "c"


def test_opposite_items_and_those_without_a_vector_are_no_more_than_unlike() -> None:
    vectors = [RIGHT, RIGHT, NONE, LEFT, UP]
    pool = pool_of(Block(size=9, diversity=0.9), *named(categories="xxxxx"), vectors=vectors)
    assert able(diversity, pool, "a") == "c"
    assert able(diversity, pool, "ac") == "d"


def test_an_item_that_another_rule_holds_back_is_not_the_most_diverse() -> None:
    pool = pool_of(Block(size=4, diversity=0.5), *named(categories="xxyz"))
    assert able(diversity, pool, "a", barred="c") == "d"


def test_items_without_a_category_are_unlike_each_other() -> None:
    pool = pool_of(Block(size=4, diversity=0.9), *named(categories=".x.."))
    assert able(diversity, pool, "a") == "b"
    assert able(diversity, pool, "ab") == "c"
