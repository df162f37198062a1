"""What the tests of e-mail platforms share: deliveries, and what they must come to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from features.errors import Unauthenticated
from features.event import Event, EventType
from features.sources.source import Delivery, Received, Source
from tests.unit.features.making import KEYS, NOW

EMAIL = "Ann@Example.com "
ANN = KEYS.resolve("ann@example.com")
SEVEN = KEYS.resolve("7")
CLICKED = "https://shop.example/lamp?e=ann@example.com&homing_item=lamp&homing_block=hero"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/122.0.0.0 Safari/537.36"
APPLE = "Mozilla/5.0"

JSON = Any
"""A decoded payload."""


def at(seconds: float) -> datetime:
    """A moment of Unix time."""
    return datetime.fromtimestamp(seconds, UTC)


def body(payload: JSON) -> bytes:
    """A payload as its sender writes it."""
    return json.dumps(payload).encode()


def read(source: Source, payload: JSON, now: datetime = NOW) -> Received:
    """What a delivery of JSON says."""
    return source.read(Delivery(body(payload)), KEYS, now)


def only(source: Source, payload: JSON) -> Event:
    """The event of a delivery that says nothing else."""
    received = read(source, payload)
    assert received.unreadable == []
    (event,) = received.events
    return event


def types(received: Received) -> list[EventType]:
    """The types of what was read."""
    return [event.type for event in received.events]


def passes(source: Source, delivery: Delivery, now: datetime) -> bool:
    """Whether a delivery is the sender's; it is refused with nothing of it in the message."""
    try:
        source.verify(delivery, now)
    except Unauthenticated as error:
        message = str(error)
    else:
        return True
    sent = (*delivery.headers.values(), *delivery.query.values())
    assert not [text for text in sent if len(text) > 5 and text in message]
    return False


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    """The headers but for one."""
    return {one: value for one, value in headers.items() if one != name}


def is_refused(source: Source, delivery: Delivery, now: datetime, match: str) -> None:
    """The delivery is not the sender's, for this reason."""
    with pytest.raises(Unauthenticated, match=match):
        source.verify(delivery, now)
