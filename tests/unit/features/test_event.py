from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, InvalidEvent, TooLarge
from features.event import (
    AHEAD,
    EARLIEST,
    MAX_EVENTS,
    MAX_ITEMS,
    MAX_PROBLEMS,
    EventType,
    check_event,
    decode_json,
    parse_event,
    parse_events,
)
from tests.unit.features.making import KEYS, NOW, event

WIRE = {
    "id": "e1",
    "type": "purchase",
    "customer": "7",
    "occurred_at": "2026-02-01T10:00:00+02:00",
    "item": "lamp",
    "quantity": 2,
    "value": 9.5,
    "currency": "GBP",
}
SHOWN = {
    "id": "sl_1",
    "type": "slate_served",
    "customer": "7",
    "occurred_at": "2026-02-01T10:00:00Z",
    "items": ["lamp", "hat"],
}
KNOWN = {
    "id": "i1",
    "type": "identify",
    "customer": "7",
    "occurred_at": "2026-02-01T10:00:00Z",
    "alias": "visitor-3",
}


def test_an_event_is_read_with_its_key_and_in_utc() -> None:
    read = parse_event(WIRE, KEYS, NOW)
    assert read.customer == KEYS.resolve("7")
    assert read.occurred_at == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert read.occurred_at.tzinfo is UTC
    assert (read.type, read.quantity, read.value) == (EventType.PURCHASE, 2.0, 9.5)


def test_one_object_and_a_list_of_one_are_the_same() -> None:
    assert parse_events(WIRE, KEYS, NOW) == parse_events([WIRE], KEYS, NOW)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("id", "", "not a usable name"),
        ("id", "x" * 201, "not a usable name"),
        ("item", "a\tb", "not a usable name"),
        ("send", "\u202e", "not a usable name"),
        ("item", None, "needs an item"),
        ("occurred_at", "2026-02-01T10:00:00", "no time zone"),
        ("occurred_at", "1970-01-01T00:00:00Z", "before 1990"),
        ("occurred_at", "2999-01-01T00:00:00Z", "in the future"),
        ("occurred_at", "yesterday", "Invalid RFC3339"),
        ("quantity", 0, "not a positive number"),
        ("quantity", -1, "not a positive number"),
        ("value", -0.01, "not an amount"),
        ("currency", "gbp", "not a currency code"),
        ("currency", "£", "not a currency code"),
        ("type", "bought", "Invalid enum value"),
        ("items", ["lamp"], "only a slate_served has it"),
        ("served_by", "model", "only a slate_served has it"),
        ("model", "recommender/1", "only a slate_served has it"),
        ("model", "", "not a usable name"),
        ("colour", "red", "unknown field"),
        ("quantity", "two", "Expected `float`, got `str`"),
    ],
)
def test_a_refusal_names_field_value_and_cure(field: str, value: object, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_events([WIRE, {**WIRE, field: value}], KEYS, NOW)
    (problem,) = caught.value.problems
    assert (problem.index, problem.field) == (1, field)
    assert reason in problem.reason
    assert problem.cure


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["quantity", "value"])
def test_an_amount_that_is_not_finite_is_refused(field: str, amount: float) -> None:
    problem = check_event(msgspec.structs.replace(event("e"), **{field: amount}), NOW)
    assert problem is not None
    assert problem.field == field


def test_the_limits_of_time_belong_to_the_allowed() -> None:
    assert check_event(event("e", EARLIEST), NOW) is None
    assert check_event(event("e", NOW + AHEAD), NOW) is None
    assert check_event(event("e", NOW + AHEAD + timedelta(seconds=1)), NOW) is not None


def test_only_interactions_need_an_item() -> None:
    assert check_event(event("e", type=EventType.EMAIL_OPEN, item=None), NOW) is None


def test_what_a_slate_showed_is_read_in_its_order() -> None:
    read = parse_event({**SHOWN, "served_by": "model", "model": "recommender/1"}, KEYS, NOW)
    assert read.items == ("lamp", "hat")
    assert (read.served_by, read.model) == ("model", "recommender/1")


def test_a_robot_is_told_from_a_person() -> None:
    assert parse_event({**WIRE, "machine": True}, KEYS, NOW).machine
    assert not parse_event(WIRE, KEYS, NOW).machine


def test_who_turned_out_to_be_whom_is_read_as_two_keys() -> None:
    read = parse_event(KNOWN, KEYS, NOW)
    assert (read.customer, read.alias) == (KEYS.resolve("7"), KEYS.resolve("visitor-3"))
    again = {**KNOWN, "customer": read.customer, "alias": read.alias}
    assert parse_event(again, KEYS, NOW) == read


@pytest.mark.parametrize(
    ("wire", "field", "reason"),
    [
        ({**KNOWN, "alias": None}, "alias", "an identify needs it"),
        ({**KNOWN, "alias": ""}, "alias", "1 to 256 printable characters"),
        ({**KNOWN, "alias": ["ann@example.org"]}, "alias", "Expected `str | null`"),
        ({**KNOWN, "item": "lamp"}, "item", "an identify has none"),
        ({**WIRE, "alias": "ann@example.org"}, "alias", "only an identify has it"),
        ({**KNOWN, "alias": "ann@example.org\n."}, "alias", "printable"),
    ],
)
def test_an_alias_that_cannot_be_used_is_refused_and_not_repeated(
    wire: dict[str, object], field: str, reason: str
) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        parse_events([wire], KEYS, NOW)
    assert caught.value.problems[0].field == field
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (["lamp"] * 2, "comes twice"),
        ([f"item-{n}" for n in range(MAX_ITEMS + 1)], "more than 50"),
        (["lamp", ""], "not usable names"),
        (["lamp", 7], "Expected `str`, got `int`"),
        ("lamp", "Expected `array`, got `str`"),
    ],
)
def test_items_that_no_slate_can_show_are_refused(items: object, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        parse_events({**SHOWN, "items": items}, KEYS, NOW)
    assert caught.value.problems[0].field.startswith("items")


def test_a_missing_field_is_named() -> None:
    wire = {name: value for name, value in WIRE.items() if name != "customer"}
    with pytest.raises(InvalidEvent, match="customer"):
        parse_events(wire, KEYS, NOW)


def test_a_customer_of_the_wrong_type_is_not_repeated() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_events({**WIRE, "customer": ["ann@example.org"]}, KEYS, NOW)
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    "element", ["ann@example.org", ["ann@example.org"], {**WIRE, "email": "ann@example.org"}]
)
def test_what_may_be_a_customer_in_the_wrong_place_is_not_repeated(element: object) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_events([element], KEYS, NOW)
    assert "ann" not in str(caught.value)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"\[1\]"):
        parse_events([WIRE, 7], KEYS, NOW)


def test_an_unusable_customer_is_refused_with_its_index() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_events([WIRE, {**WIRE, "customer": ""}], KEYS, NOW)
    assert (caught.value.problems[0].index, caught.value.problems[0].field) == (1, "customer")


def test_problems_are_listed_up_to_a_limit() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_events([{}] * (MAX_PROBLEMS + 5), KEYS, NOW)
    assert len(caught.value.problems) == MAX_PROBLEMS


def test_too_many_events_are_refused_as_such() -> None:
    with pytest.raises(TooLarge, match="1001 elements"):
        parse_events([WIRE] * (MAX_EVENTS + 1), KEYS, NOW)


@pytest.mark.parametrize("body", [b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not JSON"):
        decode_json(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*WIRE, "block", "x"]), json_values))
def test_whatever_comes_there_are_events_or_a_declared_refusal(changes: dict[str, Any]) -> None:
    try:
        (read,) = parse_events({**WIRE, **changes}, KEYS, NOW)
    except InputError:
        return
    assert check_event(read, NOW) is None


@given(st.text(min_size=1, max_size=20), st.floats(0.01, 1e6))
def test_an_event_survives_json(name: str, quantity: float) -> None:
    made = event("e", source="api", block=name, quantity=quantity)
    assert msgspec.json.decode(msgspec.json.encode(made), type=type(made)) == made


def test_decoding_gives_what_was_sent() -> None:
    assert decode_json(json.dumps([WIRE]).encode()) == [WIRE]
