"""Overrides: which count where and when, and what they do to a slate."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from features.item import Item
from features.override import Action, Override
from features.profile import History
from serving.ranking import overrides as module
from serving.ranking.blocks import Block
from serving.ranking.columns import microseconds
from serving.ranking.overrides import (
    NO_ORDERS,
    Arranged,
    Orders,
    Overrides,
    able_items,
    arranged,
    put_in,
    raised,
)
from tests.unit.serving.kit import NOW

SLATE = ("a", "b", "c", "d")
HOUR = timedelta(hours=1)


def override(  # noqa: PLR0913 - what an override says
    action: Action,
    item: str,
    *,
    block: str | None = None,
    segment: str | None = None,
    position: int | None = None,
    strength: float | None = None,
    age: int = 0,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Override:
    return Override(
        id=f"{action}-{item}-{block}-{segment}-{age}",
        action=action,
        item=item,
        block=block,
        segment=segment,
        position=position,
        strength=strength,
        created_at=NOW - age * HOUR,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def ban(item: str, block: str | None = None, segment: str | None = None) -> Override:
    return override(Action.BAN, item, block=block, segment=segment)


@pytest.mark.parametrize(
    ("block", "segment", "banned"),
    [
        (None, None, {"all"}),
        ("hero", None, {"all", "block"}),
        ("footer", "loyal", {"all", "segment"}),
        ("hero", "loyal", {"all", "block", "segment", "both"}),
    ],
)
def test_a_scope_says_whom_an_override_concerns(
    block: str | None, segment: str | None, banned: set[str]
) -> None:
    overrides = Overrides(
        [
            ban("all"),
            ban("block", "hero"),
            ban("segment", None, "loyal"),
            ban("both", "hero", "loyal"),
        ]
    )
    assert overrides.orders(block, segment, NOW).banned == banned
    items = ("all", "block", "segment", "both")
    assert {item for item in items if overrides.banned(item, block, segment, NOW)} == banned
    assert overrides.concerns(block, segment, NOW)


def test_where_nothing_was_decided_nothing_is_in_force() -> None:
    assert Overrides().orders("hero", None, NOW) is NO_ORDERS
    assert not Overrides().concerns("hero", None, NOW)
    assert not Overrides().banned("a", "hero", None, NOW)
    assert not Overrides([ban("a", "footer")]).concerns("hero", None, NOW)


def test_an_override_counts_from_its_start_until_its_end() -> None:
    start, end = NOW + HOUR, NOW + 2 * HOUR
    overrides = Overrides([override(Action.BAN, "a", starts_at=start, ends_at=end)])
    moments = (NOW, start, end - timedelta(microseconds=1), end, NOW)
    assert [overrides.concerns("hero", None, one) for one in moments] == [0, 1, 1, 0, 0]
    edges = [microseconds(one) for one in moments[:4]]
    assert overrides.changed_between(edges[0], edges[1])
    assert not overrides.changed_between(edges[1], edges[2])
    assert overrides.changed_between(edges[2], edges[3])


def test_a_ban_goes_before_a_pin_and_a_pin_before_a_boost() -> None:
    overrides = Overrides(
        override(action, item)
        for item, actions in (("a", Action), ("b", (Action.PIN, Action.BOOST)))
        for action in actions
    )
    orders = overrides.orders("hero", None, NOW)
    assert orders == Orders(frozenset({"a"}), {"b": 1}, {})
    assert orders.wanted == ("b",)
    assert orders.closed == {"a", "b"}


def test_of_several_for_an_item_the_youngest_counts() -> None:
    overrides = Overrides(
        [
            override(Action.PIN, "a", position=3, age=2),
            override(Action.PIN, "a", position=2, age=1, block="hero"),
            override(Action.BOOST, "b", strength=0.5, age=1),
            override(Action.BOOST, "b", strength=0.25, age=2, block="hero"),
        ]
    )
    orders = overrides.orders("hero", None, NOW)
    assert (orders.pins, orders.boosts) == ({"a": 2}, {"b": 0.5})


def test_what_was_worked_out_is_remembered_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SCOPES", 2)
    overrides = Overrides([ban("a")])
    first = overrides.orders("hero", None, NOW)
    assert overrides.orders("hero", None, NOW) is first
    for segment in ("one", "two", "three"):
        overrides.orders("hero", segment, NOW)
    assert len(overrides._known) <= 2


@pytest.mark.parametrize(
    ("boosts", "slate"),
    [
        ({}, ["a", "b", "c", "d"]),
        ({"c": 0.25}, ["a", "c", "b", "d"]),
        ({"d": 1.0}, ["d", "a", "b", "c"]),
        ({"a": 1.0}, ["a", "b", "c", "d"]),
        ({"x": 0.25}, ["a", "b", "c", "x", "d"]),
        ({"x": 0.01}, ["a", "b", "c", "x", "d"]),
        ({"x": 1.0}, ["x", "a", "b", "c", "d"]),
        ({"x": 0.5, "y": 1.0}, ["y", "a", "b", "x", "c", "d"]),
        ({"y": 0.5, "x": 0.5}, ["a", "b", "x", "y", "c", "d"]),
    ],
)
def test_a_boost_raises_by_places(boosts: dict[str, float], slate: list[str]) -> None:
    assert raised(SLATE, boosts, 4) == slate


def test_a_boost_brings_into_a_longer_answer_what_it_brings_into_the_slate() -> None:
    assert raised((*SLATE, "e", "f"), {"f": 0.5}, 4) == ["a", "b", "f", "c", "d", "e"]


@pytest.mark.parametrize(
    ("pins", "slate"),
    [
        ({}, ["a", "b", "c", "d"]),
        ({"x": 1}, ["x", "a", "b", "c", "d"]),
        ({"x": 3}, ["a", "b", "x", "c", "d"]),
        ({"x": 9}, ["a", "b", "c", "x", "d"]),
        ({"x": 1, "y": 1}, ["x", "y", "a", "b", "c", "d"]),
        ({"x": 4, "y": 4}, ["a", "b", "y", "x", "c", "d"]),
        ({"x": 2, "y": 1}, ["y", "x", "a", "b", "c", "d"]),
        ({"v": 1, "w": 1, "x": 1, "y": 1, "z": 1}, ["v", "w", "x", "y", "a", "b", "c", "d"]),
    ],
)
def test_a_pin_has_its_place(pins: dict[str, int], slate: list[str]) -> None:
    assert put_in(SLATE, pins, 4) == slate


def test_a_short_slate_has_pins_behind_what_there_is() -> None:
    assert put_in((), {"x": 3}, 4) == ["x"]
    assert put_in(("a",), {"x": 3, "y": 1}, 4) == ["y", "a", "x"]


def test_an_arranged_slate_says_what_moved_what() -> None:
    orders = Orders(frozenset(), {"x": 1, "gone": 2}, {"d": 0.25})
    assert arranged(SLATE, orders, 4, {"x", "d"}) == [
        Arranged("x", None, (Action.PIN,)),
        Arranged("a", 1, (Action.PIN,)),
        Arranged("b", 2, (Action.PIN,)),
        Arranged("d", 4, ()),
        Arranged("c", 3, (Action.PIN, Action.BOOST)),
    ]
    boosted = arranged(SLATE, Orders(frozenset(), {}, {"d": 0.25}), 4, {"d"})
    assert boosted[2:] == [Arranged("d", 4, (Action.BOOST,)), Arranged("c", 3, (Action.BOOST,))]


def test_only_what_the_chain_would_show_is_brought_in() -> None:
    block = Block(size=4, categories=("tea",), exclude_categories=("loud",))
    items = (
        Item(id="tea", title="Tea", categories=("drinks", "tea")),
        Item(id="out", title="Out", categories=("tea",), in_stock=False),
        Item(id="past", title="Past", categories=("tea",), available_until=NOW),
        Item(id="cup", title="Cup", categories=("cups",)),
        Item(id="loud", title="Loud", categories=("tea", "loud")),
    )
    assert able_items(items, block, History(), NOW) == {"tea"}
    assert able_items(items, block, History(bought={"tea": 1}), NOW) == set()
    repeating = Block(size=4, allow_repeats=True)
    assert able_items(items, repeating, History(bought={"tea": 1}), NOW) == {"tea", "cup", "loud"}
    static = msgspec.structs.replace(block, items=items)
    assert able_items(items, static, History(), NOW) == {"tea", "cup", "loud"}
