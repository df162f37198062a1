from __future__ import annotations

from features.item import Item
from serving.ranking.blocks import Block
from serving.ranking.rules.pool import Pool
from serving.ranking.rules.price_spread import price_spread
from tests.unit.serving.ranking.rules.pools import able, pool_of


def pool(*prices: float | None, currencies: str = "", size: int = 3) -> Pool:
    """Items a, b, c … of these prices."""
    return pool_of(
        Block(size=size, price_spread=2.0),
        *(
            Item(id=name, title=name, price=price, currency=currency)
            for name, price, currency in zip(
                "abcdefgh", prices, currencies or "." * len(prices), strict=False
            )
        ),
    )


def test_the_last_place_goes_to_what_costs_twice_as_much_or_half() -> None:
    prices = pool(10, 12, 15, 19, 20, 6, 5)
    assert able(price_spread, prices, "") == "abcdefg"
    assert able(price_spread, prices, "a") == "bcdefg"
    # From 10 to 12: 20 is twice the cheapest, 6 and 5 are half of the dearest.
    assert able(price_spread, prices, "ab") == "efg"


def test_prices_that_are_apart_already_ask_for_nothing() -> None:
    assert able(price_spread, pool(10, 20, 15, 11), "ab") == "cd"


def test_an_item_without_a_price_widens_nothing() -> None:
    assert able(price_spread, pool(10, None, None, 20), "ab") == "d"
    assert able(price_spread, pool(None, None, 10, 20), "ab") == "cd"


def test_nothing_is_twice_as_dear_as_what_is_free() -> None:
    assert able(price_spread, pool(0, 0, 0, 1), "ab") == "d"


def test_prices_of_different_currencies_are_not_compared() -> None:
    assert able(price_spread, pool(10, 11, 90, 25, currencies="EEYE"), "ab") == "d"
    assert able(price_spread, pool(10, 90, 12, 25, currencies="EYEE"), "ab") == "d"


def test_a_slate_of_one_item_has_no_spread() -> None:
    assert able(price_spread, pool(10, 11, size=1), "") == "ab"
