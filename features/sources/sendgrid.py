"""Twilio SendGrid: the Event Webhook.

A delivery is a list of events, signed by ECDSA on P-256 over timestamp and body; the secret here is
the public key. Custom arguments stand beside an event's own fields. `sg_event_id` is its id, so an
old delivery that comes again changes nothing: it may be as old as the oldest retry, for nobody says
whether a retry is signed anew.

Kept: processed (as sent), delivered, open, click, bounce, spamreport, unsubscribe and
group_unsubscribe. Left out: dropped, for what stopped the mail was reported before; deferred, for
the mail is tried again; group_resubscribe and account changes.

Sources: "Event Webhook Reference" and "Getting Started with the Event Webhook Security Features"
(https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event).
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from features.errors import SettingsError
from features.event import EventType
from features.identity import CustomerKeys
from features.sources.mail import Report, Tags, read_mail
from features.sources.reading import Part, decoded, moment_since_1970
from features.sources.robots import is_robot
from features.sources.signatures import (
    check_fresh,
    from_base64,
    header,
    secret_bytes,
    wrong_signature,
)
from features.sources.source import Delivery, Received

if TYPE_CHECKING:
    from features.sources.public_keys import HasSigned

NAME: Final = "sendgrid"
SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
RETRIED: Final = timedelta(hours=25)
"""A delivery is tried again for a day."""

_KINDS: Final = {
    "processed": EventType.EMAIL_SENT,
    "delivered": EventType.EMAIL_DELIVERED,
    "open": EventType.EMAIL_OPEN,
    "click": EventType.EMAIL_CLICK,
    "bounce": EventType.EMAIL_BOUNCE,
    "spamreport": EventType.EMAIL_COMPLAINT,
    "unsubscribe": EventType.UNSUBSCRIBE,
    "group_unsubscribe": EventType.UNSUBSCRIBE,
}
_HANDLED_BY = re.compile(r"\.(?:filter|recv)")
"""Where the message's id ends and the names of the machines that handled it begin."""


class _Told(Tags, frozen=True, kw_only=True):
    event: str
    timestamp: float
    sg_event_id: str
    email: str | None = None
    sg_message_id: str = ""
    url: str | None = None
    useragent: str | None = None
    sg_machine_open: bool | None = None


_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_TOLD = msgspec.json.Decoder(_Told)


class SendGrid:
    """Deliveries of SendGrid's Event Webhook.

    Args:
        secrets: Verification keys as SendGrid shows them: base64, with or without PEM's lines.
        tolerance: How old a delivery may be.

    Raises:
        SettingsError: There is no key, or one that is none.
    """

    def __init__(self, secrets: Sequence[str], tolerance: timedelta = RETRIED) -> None:
        self._keys = tuple(map(_public_key, secret_bytes(secrets, NAME)))
        self._tolerance = tolerance

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See Source.verify."""
        timestamp = header(delivery, TIMESTAMP)
        signature = from_base64(header(delivery, SIGNATURE))
        check_fresh(timestamp, now, self._tolerance)
        digest = hashlib.sha256(timestamp.encode() + delivery.body).digest()
        if not any(has_signed(signature, digest) for has_signed in self._keys):
            raise wrong_signature()

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, _parts, _report, keys, now)


def _parts(body: bytes) -> Iterable[Part]:
    return decoded(body, _PARTS)


def _report(part: Part) -> Report | None:
    told = decoded(part, _TOLD)
    kind = _KINDS.get(told.event)
    if kind is None:
        return None
    return Report(
        type=kind,
        at=moment_since_1970(told.timestamp, "timestamp"),
        id=told.sg_event_id,
        email=told.email,
        tags=told,
        message=_HANDLED_BY.split(told.sg_message_id, maxsplit=1)[0],
        link=told.url,
        machine=bool(told.sg_machine_open) or is_robot(told.useragent),
    )


def _public_key(shown: bytes) -> HasSigned:
    from features.sources.public_keys import p256  # noqa: PLC0415 - see there

    lines = (line.strip() for line in shown.splitlines())
    encoded = b"".join(line for line in lines if not line.startswith(b"-----"))
    try:
        key = p256(binascii.a2b_base64(encoded))
    except ValueError:
        key = None
    if key is None:
        message = (
            "a secret of the source sendgrid is no public key on P-256: set the verification key "
            "that SendGrid shows under Settings, Mail Settings, Event Webhooks"
        )
        raise SettingsError(message)
    return key
