"""Many entries are read at once, and what is found is what is found one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import batch
from features.batch import keep_limits, read_entries
from features.event import EARLIEST, MAX_TEXT, Event, EventType, check_event
from features.stores.codec import encode_event
from features.stores.ports import Entry
from tests.unit.features.making import ANN, BOB, NOW, event

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
