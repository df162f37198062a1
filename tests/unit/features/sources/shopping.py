"""What the tests of shops share: signed deliveries, and payloads with something wrong in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from hypothesis import strategies as st

from features.event import Event
from features.sources.source import Delivery, Received, Source
from tests.unit.features.making import KEYS, NOW

JSON = Any
"""A decoded payload."""

ANN = KEYS.resolve("ann@example.com")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [0, -1, 10**40, 1e308, "nan", "-1", "", "9999-12-31T23:59:59-14:00", "\ud800"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def signed(secret: str, body: bytes) -> str:
    """Base64 of the HMAC-SHA256."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def dumped(payload: JSON) -> bytes:
    """A payload as its sender writes it."""
    return json.dumps(payload).encode()


def told(source: Source, payload: JSON, **headers: str) -> Received:
    """What a delivery of JSON says."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return source.read(Delivery(dumped(payload), headers=named), KEYS, NOW)


def events_of(received: Received) -> list[Event]:
    """The events of what could be read whole."""
    assert received.unreadable == []
    return list(received.events)


@st.composite
def mangled(draw: st.DrawFn, payload: JSON) -> JSON:
    """The payload with up to three of its parts replaced by anything."""
    copy = json.loads(json.dumps(payload))
    for _ in range(draw(st.integers(0, 3))):
        place = copy
        while isinstance(place, dict | list) and place:
            key = draw(
                st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
            )
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                place[key] = draw(values)
                break
            place = inner
    return copy
