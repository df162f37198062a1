"""What these tests are made of: events and items with evident values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from features.event import Event, EventType
from features.identity import CustomerKeys
from features.item import Item

KEYS = CustomerKeys(b"a secret of more than 32 bytes ...")
ANN = f"ck_{1:032x}"
BOB = f"ck_{2:032x}"
CAT = f"ck_{3:032x}"
DAN = f"ck_{4:032x}"
EVE = f"ck_{5:032x}"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def event(name: str, at: datetime = NOW, **fields: Any) -> Event:  # noqa: ANN401 - any field of Event
    """A purchase of `lamp` by Ann, unless told otherwise."""
    given = {"type": EventType.PURCHASE, "customer": ANN, "item": "lamp", **fields}
    return Event(id=name, occurred_at=at, **given)


def identify(name: str, alias: str, customer: str, hours: float = 0) -> Event:
    """That an alias is a customer, so many hours after `NOW`."""
    at = NOW + timedelta(hours=hours)
    return event(name, at, type=EventType.IDENTIFY, item=None, customer=customer, alias=alias)


def item(name: str, **fields: Any) -> Item:  # noqa: ANN401 - any field of Item
    """An item whose title is its id in capitals, unless told otherwise."""
    return Item(id=name, **{"title": name.upper(), **fields})
