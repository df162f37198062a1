"""CloudEvents 1.0."""

from __future__ import annotations

from datetime import datetime

from features.event import Event
from features.identity import CustomerKeys

CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENT_BATCH = "application/cloudevents-batch+json"


def parse_cloudevents(raw: object, keys: CustomerKeys, now: datetime) -> list[Event]:
    """Events from one structured CloudEvent or a batch of them, decoded from JSON."""
    raise NotImplementedError


def to_cloudevent(event: Event) -> dict[str, object]:
    """The event as a structured CloudEvent, ready for JSON."""
    raise NotImplementedError
