from __future__ import annotations

from datetime import timedelta

import pytest

from features.item import Item
from serving.ranking.blocks import Block
from serving.ranking.rules.new_share import new_share
from serving.ranking.rules.pool import Pool
from tests.unit.serving.ranking.rules.pools import NOW, able, pool_of


def pool(share: float, *ages: float | None) -> Pool:
    """Items a, b, c … that became available so many days ago; None for always."""
    block = Block(size=4, new_share=share, new_days=30)
    items = [
        Item(id=name, title=name, available_from=None if age is None else NOW - timedelta(days=age))
        for name, age in zip("abcdefgh", ages, strict=False)
    ]
    return pool_of(block, *items)


def test_the_place_that_makes_up_the_share_goes_to_a_new_item() -> None:
    quarter = pool(0.25, None, None, 90, None, 10, 20)
    assert able(new_share, quarter, "") == "abcdef"
    assert able(new_share, quarter, "ab") == "cdef"
    assert able(new_share, quarter, "abc") == "ef"


def test_new_items_that_came_by_themselves_count() -> None:
    quarter = pool(0.25, None, None, 90, None, 10, 20)
    assert able(new_share, quarter, "abe") == "cdf"


def test_later_places_have_their_share_too() -> None:
    half = pool(0.5, None, 1, None, 2, None, 3, None, 4)
    assert able(new_share, half, "a") == "bdfh"
    assert able(new_share, half, "ab") == "cdefgh"
    assert able(new_share, half, "abc") == "dfh"


@pytest.mark.parametrize(("age", "new"), [(29.9, True), (30, False), (-1, False), (None, False)])
def test_new_is_what_became_available_within_so_many_days(age: float | None, new: bool) -> None:  # noqa: FBT001 - a table of cases
    assert (able(new_share, pool(1.0, age, 5), "") == "ab") is new


def test_a_share_is_a_decimal_fraction_whatever_floats_make_of_it() -> None:
    assert 0.58 * 50 < 29
    names = [chr(0x4E00 + number) for number in range(51)]
    opened = [NOW] * 28 + [None] * 22 + [NOW]
    items = [
        Item(id=name, title=name, available_from=at) for name, at in zip(names, opened, strict=True)
    ]
    shares = pool_of(Block(size=50, new_share=0.58), *items)
    assert able(new_share, shares, "".join(names[:49])) == names[50]
