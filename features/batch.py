"""Events read many at once: entries of the log, and lists that senders send.

What can't be an event is rare, so many are first looked at as a whole: decoded in one go and held
against the limits column by column, which takes a part of the time. Only where something is wrong
they are gone through one by one, to tell what it is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

import msgspec
from msgspec.structs import replace

from features.errors import InvalidArgument, InvalidEvent
from features.event import (
    AHEAD,
    EARLIEST,
    MAX_EVENTS,
    MAX_TEXT,
    NEEDS_ITEM,
    Event,
    EventType,
    WireEvent,
    check_event,
    is_currency,
    parse_events,
)
from features.identity import CustomerKeys
from features.stores.codec import decode_event, decode_events
from features.stores.ports import Entry

SLICE: Final = 500
"""Entries that are looked at as a whole."""

Poison = tuple[bytes, str]
"""Bytes that can't be read as an event, and why."""

_RARE: Final = frozenset({EventType.SLATE_SERVED, EventType.IDENTIFY})
"""Types with limits of their own: looked at one by one."""
_NAMES: Final = ("id", "item", "block", "send", "slate", "source")
_OF_RARE: Final = ("items", "served_by", "model", "alias")
_AMOUNTS: Final = ("quantity", "value", "currency")
_LIMITED: Final = (*_NAMES, *_OF_RARE, *_AMOUNTS, "type", "occurred_at")
_limited = attrgetter(*_LIMITED)


def read_entries(entries: Sequence[Entry], now: datetime) -> tuple[list[Event], list[Poison]]:
    """The events, and what can't be read, each in the order of the entries.

    Args:
        entries: As a reader took them.
        now: Our clock, aware.
    """
    events: list[Event] = []
    poison: list[Poison] = []
    for first in range(0, len(entries), SLICE):
        bodies = [entry.body for entry in entries[first : first + SLICE]]
        found = decode_events(bodies)
        if found is not None and keep_limits(found, now):
            events += found
        else:
            _read_each(bodies, now, events, poison)
    return events, poison


def parse_many(raw: object, keys: CustomerKeys, now: datetime) -> list[Event]:
    """The same as `features.event.parse_events`, of a good list in two thirds of the time.

    Args:
        raw: What `decode_json` gave.
        keys: Turns the senders' customer ids into keys.
        now: Our clock, aware.

    Raises:
        InvalidEvent: As `parse_events`.
        TooLarge: As `parse_events`.
    """
    fine = isinstance(raw, list) and 0 < len(raw) <= MAX_EVENTS
    events = _parse_together(raw, keys, now) if fine else None
    return parse_events(raw, keys, now) if events is None else events


def _parse_together(raw: object, keys: CustomerKeys, now: datetime) -> list[Event] | None:
    """The events of a list; None when anything is wrong with any of them."""
    try:
        if not keep_limits(msgspec.convert(raw, list[WireEvent]), now):
            return None
        # What is no field of an event was refused by now.
        events = msgspec.convert(raw, list[Event])
        return [
            replace(
                event,
                customer=keys.resolve(event.customer),
                alias=None if event.alias is None else keys.resolve(event.alias),
                occurred_at=event.occurred_at.astimezone(UTC),
            )
            for event in events
        ]
    except (msgspec.ValidationError, InvalidArgument):
        return None


def keep_limits(events: Sequence[Event], now: datetime) -> bool:
    """Whether `check_event` finds nothing in any of them.

    Args:
        events: As `check_event` takes them.
        now: Our clock, aware.
    """
    plain = [event for event in events if event.type not in _RARE]
    if len(plain) < len(events) and any(
        check_event(event, now) for event in events if event.type in _RARE
    ):
        return False
    if not plain:
        return True
    columns = dict(zip(_LIMITED, zip(*map(_limited, plain), strict=True), strict=True))
    kinds, items = columns["type"], columns["item"]
    return (
        set().union(*(columns[name] for name in _OF_RARE)) <= {None, ()}
        and all(_are_names(set(columns[name]) - {None}) for name in _NAMES)
        and NEEDS_ITEM.isdisjoint(kind for kind, item in zip(kinds, items, strict=True) if not item)
        and _are_times(columns["occurred_at"], now)
        and _are_amounts(*(columns[name] for name in _AMOUNTS))
    )


def _read_each(
    bodies: Iterable[bytes], now: datetime, events: list[Event], poison: list[Poison]
) -> None:
    for body in bodies:
        try:
            event = decode_event(body)
        except InvalidEvent as error:
            poison.append((body, str(error)))
            continue
        problem = check_event(event, now)
        if problem is None:
            events.append(event)
        else:
            poison.append((body, str(problem)))


def _are_names(texts: Collection[str]) -> bool:
    return not texts or (
        "".join(texts).isprintable()
        and min(map(len, texts)) > 0
        and max(map(len, texts)) <= MAX_TEXT
    )


def _are_times(times: Collection[datetime], now: datetime) -> bool:
    zones = {moment.tzinfo for moment in times}
    return None not in zones and min(times) >= EARLIEST and max(times) <= now + AHEAD


def _are_amounts(
    quantities: Collection[float], values: Iterable[float | None], currencies: Iterable[str | None]
) -> bool:
    known = [value for value in values if value is not None]
    return (
        all(map(math.isfinite, quantities))
        and min(quantities) > 0
        and all(map(math.isfinite, known))
        and min(known, default=0.0) >= 0
        and all(is_currency(code) for code in set(currencies) if code is not None)
    )
