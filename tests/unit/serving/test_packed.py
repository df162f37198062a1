from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from features.item import Item
from features.stores.codec import items_digest
from serving.packed import Items, pack
from serving.ranking.columns import microseconds
from serving.ranking.view import item_view

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = microseconds(NOW)
DAY = 24 * 3_600 * 1_000_000
APPLE = Item(id="apple", title="Apple", brand="Orchard", categories=("food", "fruit"), price=1.5)
BREAD = Item(id="bread", title="Bread", available_until=NOW + timedelta(days=2))
CREAM = Item(id="cream", title="Cream", in_stock=False)
ALL = (APPLE, BREAD, CREAM)


def items(*known: Item) -> Items:
    return Items(*pack(known))


def test_packed_items_are_the_items_in_their_order() -> None:
    packed = items(*ALL)
    assert dict(packed) == {item.id: item for item in ALL}
    assert list(packed) == ["apple", "bread", "cream"]
    assert "dates" not in packed
    no_id: object = 1
    assert no_id not in packed
    with pytest.raises(KeyError):
        packed["dates"]


def test_no_items_are_items_too() -> None:
    assert len(items()) == 0
    assert "apple" not in items()
    assert items().columns(["apple"]).stocked.tolist() == [0]


def test_an_id_that_is_no_text_is_of_no_item() -> None:
    assert "\ud800" not in items(*ALL)


def test_ids_are_found_however_they_fall_in_the_table() -> None:
    many = items(*(Item(id=f"item {number}", title="x") for number in range(3_000)))
    assert all(many[f"item {number}"].id == f"item {number}" for number in range(3_000))
    assert "item 3000" not in many


def test_every_item_is_drawn_as_itself() -> None:
    many = items(*(Item(id=str(number), title=f"No {number}") for number in range(3_000)))
    drawn = many.ready([str(number) for number in range(3_000)], AT)
    assert all(of is not None and f'"No {n}"'.encode() in of[0] for n, of in enumerate(drawn))


def test_an_item_is_showable_in_stock_and_in_its_window() -> None:
    packed = items(*ALL)
    shown = {
        moment: [item.id for item in ALL if packed.ready([item.id], moment) != [None]]
        for moment in (AT, AT + 2 * DAY)
    }
    assert shown == {AT: ["apple", "bread"], AT + 2 * DAY: ["apple"]}
    assert packed.ready(["dates", "apple"], AT)[:1] == [None]


def test_a_window_changes_things_at_its_edge_and_at_no_other_moment() -> None:
    packed, edge = items(*ALL), AT + 2 * DAY
    assert packed.changed_between(AT, edge)
    assert not packed.changed_between(AT, edge - 1)
    assert not packed.changed_between(edge, edge + DAY)


def test_a_change_stands_over_what_was_packed() -> None:
    packed = items(*ALL)
    sold = msgspec.structs.replace(APPLE, in_stock=False)
    dates = Item(id="dates", title="Dates", available_from=NOW + timedelta(days=1))
    changed = packed.changed([sold]).changed([dates])
    assert list(changed) == ["apple", "bread", "cream", "dates"]
    assert len(changed) == 4
    assert (changed["apple"], changed["dates"], changed["bread"]) == (sold, dates, BREAD)
    shown = changed.ready(["apple", "dates", "bread", "eggs"], AT)
    assert [drawn is not None for drawn in shown] == [False, False, True, False]
    assert changed.changed_between(AT, AT + DAY)
    assert not changed.changed_between(AT, AT + DAY - 1)
    (drawn,) = changed.ready(["dates"], AT + DAY)
    assert drawn is not None
    assert b'"Dates"' in drawn[0]
    assert packed["apple"] == APPLE


def test_the_digest_follows_changes_and_comes_back_with_them() -> None:
    packed = items(*ALL)
    assert packed.digest == items_digest(ALL)
    sold = msgspec.structs.replace(APPLE, in_stock=False)
    changed = packed.changed([sold])
    assert changed.digest == items_digest((sold, BREAD, CREAM))
    assert changed.changed([APPLE]).digest == packed.digest


def test_a_view_of_packed_items_is_the_view_of_the_items() -> None:
    dates = Item(id="dates", title="Dates", brand="Orchard", categories=("food",), currency="GBP")
    packed = items(*ALL).changed([dates])
    names = ("dates", "nothing", "apple", "bread", "cream")
    view = item_view(names, packed)
    plain = item_view(names, {**{item.id: item for item in ALL}, "dates": dates})
    assert view.available(NOW).tolist() == plain.available(NOW).tolist()
    assert view.within(["food"]).tolist() == [True, False, True, False, False]
    for name in ("brand", "currency", "category"):
        assert getattr(view.traits, name).tolist() == getattr(plain.traits, name).tolist()
    assert view.traits.price.tolist()[2] == 1.5
