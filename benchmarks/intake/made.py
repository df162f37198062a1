"""Made-up events, as senders tell them and as the log keeps them: the same on every run."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from features.event import parse_events
from features.identity import CustomerKeys
from features.stores.codec import encode_event

SECRET: Final = "a secret that benchmarks share, and nothing else"  # noqa: S105 - guards nothing
SIGNING: Final = "whsec_" + base64.b64encode(b"a key that benchmarks sign with, ok").decode()
CUSTOMERS: Final = 200_000
ITEMS: Final = 20_000
TYPES: Final = ("view", "email_open", "email_click", "cart", "purchase")

_NAME: Final = "msg_{}"


def told(number: int, at: datetime, **fields: object) -> dict[str, Any]:
    """An event as a shop posts it.

    Args:
        number: Which one; another has another id.
        at: When it happened, aware.
        fields: Instead of its own.
    """
    mixed = number * 2_654_435_761 % (1 << 32)  # Knuth's multiplicative hash
    return {
        "id": f"order-{number:09}",
        "type": TYPES[mixed % len(TYPES)],
        "customer": f"customer-{mixed % CUSTOMERS}",
        "occurred_at": at.isoformat(),
        "item": f"item-{mixed // CUSTOMERS % ITEMS}",
        "value": round(mixed % 9_973 / 100, 2),
        "currency": "GBP",
        **fields,
    }


def batch(first: int, size: int, at: datetime) -> bytes:
    """So many events from a number on, a millisecond apart, as a body of `POST /v1/events`."""
    step = timedelta(milliseconds=1)
    return msgspec.json.encode([told(first + by, at - by * step) for by in range(size)])


def kept(body: bytes, at: datetime) -> list[bytes]:
    """What the service appends to the log of a body.

    Args:
        body: Of `POST /v1/events`.
        at: When it came, aware.
    """
    keys = CustomerKeys(SECRET.encode())
    return [encode_event(event) for event in parse_events(msgspec.json.decode(body), keys, at)]


def signed(number: int, at: datetime) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of one event, signed as Standard Webhooks says.

    Args:
        number: Which one.
        at: When it is sent, aware.
    """
    name, sent = _NAME.format(number), str(int(at.timestamp()))
    body = msgspec.json.encode(told(number, at.astimezone(UTC)))
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    message = b".".join((name.encode(), sent.encode(), body))
    signature = base64.b64encode(hmac.digest(key, message, "sha256")).decode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{signature}",
    }
    return headers, body
