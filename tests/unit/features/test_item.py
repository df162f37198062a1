from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, InvalidItem, TooLarge
from features.event import MAX_PROBLEMS
from features.item import MAX_ITEMS, check_item, parse_item, parse_items
from tests.unit.features.making import NOW, item

WIRE = {"id": "lamp", "title": "A lamp", "url": "https://shop.example/lamp", "price": 12.5}


def test_an_item_is_read_in_utc() -> None:
    read = parse_item({**WIRE, "available_from": "2026-01-01T01:00:00+01:00"})
    assert read.available_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert read.available_from is not None
    assert read.available_from.tzinfo is UTC


def test_one_object_and_a_list_of_one_are_the_same() -> None:
    assert parse_items(WIRE) == parse_items([WIRE])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "a\nb"),
        ("title", "  "),
        ("title", "x" * 2001),
        ("brand", "x" * 201),
        ("categories", ["x"] * 21),
        ("categories", [""]),
        ("attributes", {str(n): "" for n in range(51)}),
        ("attributes", {"size": "x" * 2001}),
        ("url", "javascript:alert(1)"),
        ("image_url", 'https://x/"onload="'),
        ("url", "https://x/" + "y" * 2000),
        ("price", -1),
        ("currency", "euro"),
        ("available_from", "2026-01-01T00:00:00"),
        ("available_until", "2026-01-01T00:00:00"),
        ("available_from", "0001-01-01T00:00:00+23:59"),
        ("available_until", "9999-12-31T23:59:59-23:59"),
        ("title", 7),
        ("weight", 7),
    ],
)
def test_a_refusal_names_index_and_field(field: str, value: object) -> None:
    with pytest.raises(InvalidItem) as caught:
        parse_items([WIRE, {**WIRE, field: value}])
    (problem,) = caught.value.problems
    assert (problem.index, problem.field) == (1, field) or problem.field.startswith(field)
    assert problem.cure


@pytest.mark.parametrize("price", [float("nan"), float("inf")])
def test_a_price_that_is_not_finite_is_refused(price: float) -> None:
    problem = check_item(item("lamp", price=price))
    assert problem is not None
    assert problem.field == "price"


def test_too_many_items_are_refused_as_such() -> None:
    with pytest.raises(TooLarge, match="1001 elements"):
        parse_items([WIRE] * (MAX_ITEMS + 1))


def test_problems_are_listed_up_to_a_limit() -> None:
    with pytest.raises(InvalidItem) as caught:
        parse_items([{}] * (MAX_PROBLEMS + 5))
    assert len(caught.value.problems) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("fields", "available"),
    [
        ({}, True),
        ({"in_stock": False}, False),
        ({"available_from": NOW}, True),
        ({"available_from": datetime(2026, 3, 2, tzinfo=UTC)}, False),
        ({"available_until": NOW}, False),
        ({"available_until": datetime(2026, 3, 2, tzinfo=UTC)}, True),
    ],
)
def test_availability_begins_with_its_first_moment_and_ends_before_its_last(
    fields: dict[str, Any], *, available: bool
) -> None:
    assert item("lamp", **fields).available_at(NOW) is available


@given(
    st.dictionaries(
        st.sampled_from(["id", "title", "url", "price", "categories", "attributes"]),
        st.none()
        | st.text()
        | st.floats()
        | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    )
)
def test_whatever_comes_there_is_an_item_or_a_declared_refusal(changes: dict[str, Any]) -> None:
    try:
        read = parse_item({**WIRE, **changes})
    except InputError:
        return
    assert check_item(read) is None
