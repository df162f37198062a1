"""Many entries are read at once, and what is found is what is found one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import batch
from features.batch import keep_limits, parse_many, read_entries
from features.errors import InvalidEvent, TooLarge
from features.event import (
    EARLIEST,
    MAX_EVENTS,
    MAX_TEXT,
    Event,
    EventType,
    check_event,
    parse_events,
)
from features.identity import CustomerKeys
from features.stores.codec import encode_event
from features.stores.ports import Entry
from tests.unit.features.making import ANN, BOB, KEYS, NOW, event

FINE: list[dict[str, Any]] = [
    {},
    {"type": EventType.SEARCH, "item": None},
    {"type": EventType.SLATE_SERVED, "items": ("a", "b"), "served_by": "model", "model": "m/1"},
    {"type": EventType.IDENTIFY, "item": None, "alias": BOB},
    {"block": "hero", "send": "s", "slate": "1", "source": "shop", "value": 0.0, "currency": "GBP"},
    {"occurred_at": EARLIEST, "item": "é" * MAX_TEXT},
    {"occurred_at": NOW + timedelta(days=1), "machine": True},
    {"occurred_at": NOW.astimezone(timezone(timedelta(hours=3)))},
]
BROKEN: list[dict[str, Any]] = [
    *({name: ""} for name in ("item", "block", "send", "slate", "source", "served_by", "model")),
    *({name: "x"} for name in ("served_by", "model", "alias")),
    {"item": None},
    {"item": "a" * (MAX_TEXT + 1)},
    {"source": "a\nb"},
    {"items": ("a",)},
    {"type": EventType.SLATE_SERVED, "items": ("a", "a")},
    {"type": EventType.IDENTIFY, "item": None},
    *({"quantity": amount} for amount in (0.0, -1.0, float("nan"), float("inf"))),
    *({"value": amount} for amount in (-0.01, float("nan"), float("inf"))),
    {"currency": "pounds"},
    {"occurred_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - the fault
    {"occurred_at": EARLIEST - timedelta(seconds=1)},
    {"occurred_at": NOW + timedelta(days=1, seconds=1)},
]


def made(fields: dict[str, Any], name: str = "e-1") -> Event:
    return event(name, at=fields.get("occurred_at", NOW), **without_time(fields))


def without_time(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "occurred_at"}


@pytest.mark.parametrize("fields", BROKEN)
def test_what_breaks_a_limit_is_seen_among_what_does_not(fields: dict[str, Any]) -> None:
    fine = [made(those) for those in FINE]
    assert keep_limits(fine, NOW)
    assert check_event(made(fields), NOW) is not None
    assert not keep_limits([*fine, made(fields)], NOW)
    assert not keep_limits([made(fields)], NOW)


@given(st.lists(st.sampled_from(FINE + BROKEN), max_size=3), st.sampled_from(["e", "", "a\n"]))
def test_all_at_once_are_judged_as_one_by_one(given_all: list[dict[str, Any]], name: str) -> None:
    events = [made(fields, name) for fields in given_all]
    assert keep_limits(events, NOW) == all(check_event(one, NOW) is None for one in events)


def test_only_the_slice_with_a_fault_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def looking(one: Event, now: datetime) -> object:
        looked.append(one.id)
        return check_event(one, now)

    monkeypatch.setattr(batch, "SLICE", 2)
    monkeypatch.setattr(batch, "check_event", looking)
    events = [event(f"e-{number}") for number in range(6)]
    events[3] = event("e-3", item=None)
    entries = [Entry(number, encode_event(one)) for number, one in enumerate(events)]
    found, poison = read_entries(entries, NOW)
    assert [one.id for one in found] == ["e-0", "e-1", "e-2", "e-4", "e-5"]
    assert [body for body, _ in poison] == [entries[3].body]
    assert looked == ["e-2", "e-3"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        encode_event(event("e-2")) * 2,
        encode_event(event("e-2", customer="ann@shop.example")),
        encode_event(event("e-2", type=EventType.IDENTIFY, item=None, alias="ann")),
        encode_event(event("e-2", datetime(2026, 1, 1))),  # noqa: DTZ001 - the fault
    ],
)
def test_bytes_that_are_no_event_are_told_apart_from_their_neighbours(body: bytes) -> None:
    fine = encode_event(event("e-1"))
    found, poison = read_entries([Entry(1, fine), Entry(2, body), Entry(3, fine)], NOW)
    assert [(one.id, one.customer, one.occurred_at.tzinfo) for one in found] == [
        ("e-1", ANN, UTC)
    ] * 2
    assert [those for those, _ in poison] == [body]


@given(
    st.lists(
        st.sampled_from(
            [
                {},
                {"occurred_at": "2026-01-02T03:04:05+03:00"},
                {"type": "identify", "item": None, "alias": "visitor-7"},
                {"customer": ANN, "value": 1, "currency": "GBP"},
                {"customer": ""},
                {"type": "identify", "item": None, "alias": ""},
                {"email": "x"},
                {"item": 7},
                {"currency": "pounds"},
                {"occurred_at": "2026-01-02T03:04:05"},
                {"occurred_at": "9999-12-31T23:59:59-12:00"},
            ]
        ),
        max_size=3,
    )
)
def test_a_list_is_parsed_as_one_by_one(changes: list[dict[str, Any]]) -> None:
    plain = {"id": "e", "type": "view", "customer": "7", "occurred_at": "2026-01-02T03:04:05Z"}
    lines = [{**plain, "item": "lamp", **one} for one in changes]
    given_all: list[object] = [lines, plain, [7], {"id": []}]
    for raw in given_all:
        assert told_by(parse_many, raw) == told_by(parse_events, raw)


def test_a_good_list_is_not_gone_through_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(batch, "parse_events")
    wire = {"id": "e", "type": "search", "customer": "7", "occurred_at": "2026-01-02T03:04:05Z"}
    assert [one.id for one in parse_many([wire] * MAX_EVENTS, KEYS, NOW)] == ["e"] * MAX_EVENTS


def test_a_list_that_is_too_long_is_refused_as_before() -> None:
    with pytest.raises(TooLarge):
        parse_many([{}] * (MAX_EVENTS + 1), KEYS, NOW)


def told_by(parse: Callable[[object, CustomerKeys, datetime], list[Event]], raw: object) -> object:
    try:
        return [(one, one.occurred_at.tzinfo) for one in parse(raw, KEYS, NOW)]
    except InvalidEvent as error:
        return error.problems
