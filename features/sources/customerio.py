"""Customer.io: reporting webhooks, one event a delivery.

The signature is the hex of HMAC-SHA256 over `v0:TIMESTAMP:BODY`. `event_id` is the event's id, so a
delivery that is tried again, for up to a week, changes nothing twice.

Kept of e-mail: sent, delivered, opened, clicked, bounced, spammed and unsubscribed; of customers:
unsubscribed. Left out: drafted, attempted, deferred, dropped, undeliverable, failed and converted;
subscribed; all of SMS, push, in-app messages, Slack and webhooks.

Sources: "Reporting Webhooks" (https://docs.customer.io/integrations/api/webhooks/ and
https://docs.customer.io/integrations/data-out/connections/webhooks/).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from features.event import EventType
from features.identity import CustomerKeys
from features.sources.mail import Report, Tags, read_mail, whole
from features.sources.reading import Name, Part, decoded, moment_since_1970, text_of
from features.sources.signatures import (
    TOLERANCE,
    Keyed,
    check_fresh,
    from_hex,
    header,
    secret_bytes,
)
from features.sources.source import Delivery, Received

NAME: Final = "customerio"
SIGNATURE: Final = "x-cio-signature"
TIMESTAMP: Final = "x-cio-timestamp"

_KINDS: Final = {
    ("email", "sent"): EventType.EMAIL_SENT,
    ("email", "delivered"): EventType.EMAIL_DELIVERED,
    ("email", "opened"): EventType.EMAIL_OPEN,
    ("email", "clicked"): EventType.EMAIL_CLICK,
    ("email", "bounced"): EventType.EMAIL_BOUNCE,
    ("email", "spammed"): EventType.EMAIL_COMPLAINT,
    ("email", "unsubscribed"): EventType.UNSUBSCRIBE,
    ("customer", "unsubscribed"): EventType.UNSUBSCRIBE,
}


class _Identifiers(msgspec.Struct, frozen=True):
    id: Name = None
    email: str | None = None
    cio_id: Name = None


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: Name = None
    identifiers: _Identifiers | None = None
    recipient: str | None = None
    delivery_id: str | None = None
    href: str | None = None
    prefetched: bool | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    event_id: str
    object_type: str
    metric: str
    timestamp: float
    data: _Data


_TOLD = msgspec.json.Decoder(_Told)


class CustomerIo:
    """Deliveries of Customer.io's reporting webhooks.

    Args:
        secrets: Signing keys of the webhook.
        tolerance: How far Customer.io's clock may be from ours.

    Raises:
        SettingsError: There is none.
    """

    def __init__(self, secrets: Sequence[str], tolerance: timedelta = TOLERANCE) -> None:
        self._keyed = Keyed(secret_bytes(secrets, NAME), "sha256")
        self._tolerance = tolerance

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See Source.verify."""
        timestamp = header(delivery, TIMESTAMP)
        signature = from_hex(header(delivery, SIGNATURE))
        check_fresh(timestamp, now, self._tolerance)
        self._keyed.check([signature], b"v0:", timestamp.encode(), b":", delivery.body)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, whole, _report, keys, now)


def _report(part: Part) -> Report | None:
    told = decoded(part, _TOLD)
    kind = _KINDS.get((told.object_type, told.metric))
    if kind is None:
        return None
    data = told.data
    person = data.identifiers or _Identifiers()
    email = data.recipient or person.email
    # Customer.io's own id stands in where the shop gave neither.
    customer = text_of(data.customer_id) or text_of(person.id) or (None if email else person.cio_id)
    return Report(
        type=kind,
        at=moment_since_1970(told.timestamp, "timestamp"),
        id=told.event_id,
        email=email,
        tags=Tags(customer=customer),
        message=data.delivery_id,
        link=data.href,
        machine=bool(data.prefetched),  # by Apple's proxy; Gmail's fetches when a person opens
    )
