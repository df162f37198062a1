"""Mailgun: webhooks of the present form, one event a delivery.

The signature stands in the body: HMAC-SHA256 of timestamp and token, in hex. It does not cover the
event, so a token must never be taken twice. A retry bears the first attempt's time, as far as
anybody has seen; it may be as old as the last retry.

An event's id is unique within a day alone, so the day stands before it.

Kept: accepted (as sent), delivered, opened, clicked, unsubscribed, complained, and failed for good.
Left out: failed for now, for the mail is tried again; failed because of an earlier bounce,
complaint or unsubscription (`suppress-…`), for that was reported before; rejected, stored and list
events.

Sources: "Securing Webhooks", "Webhook Payloads", "Open and Click Bot Detection" and "Event
Structure" (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks);
"Webhooks" for retries (https://help.mailgun.com/hc/en-us/articles/202236504-Webhooks).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from features.errors import InvalidEvent, Unauthenticated
from features.event import EventType
from features.identity import CustomerKeys
from features.sources.mail import NO_TAGS, Report, Tags, read_mail, whole
from features.sources.reading import Name, Part, decoded, moment_since_1970, text_of
from features.sources.robots import is_robot
from features.sources.signatures import Keyed, any_bytes, check_fresh, from_hex, secret_bytes
from features.sources.source import Delivery, Received

NAME: Final = "mailgun"
RETRIED: Final = timedelta(hours=9)
"""A delivery is tried again for eight hours."""

_KINDS: Final = {
    "accepted": EventType.EMAIL_SENT,
    "delivered": EventType.EMAIL_DELIVERED,
    "opened": EventType.EMAIL_OPEN,
    "clicked": EventType.EMAIL_CLICK,
    "failed": EventType.EMAIL_BOUNCE,
    "complained": EventType.EMAIL_COMPLAINT,
    "unsubscribed": EventType.UNSUBSCRIBE,
}


class _Signature(msgspec.Struct, frozen=True, rename="kebab"):
    timestamp: Name
    token: str
    signature: str
    parent_signature: str | None = None


class _Signed(msgspec.Struct, frozen=True):
    signature: _Signature


class _Headers(msgspec.Struct, frozen=True, rename="kebab"):
    message_id: str | None = None


class _Message(msgspec.Struct, frozen=True):
    headers: _Headers = _Headers()


class _Client(msgspec.Struct, frozen=True, rename="kebab"):
    bot: str | None = None
    user_agent: str | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    event: str
    timestamp: float
    id: str
    recipient: str | None = None
    severity: str | None = None
    reason: str | None = None
    url: str | None = None
    message: _Message = _Message()
    client_info: _Client = _Client()
    user_variables: Tags | None = None


class _Payload(msgspec.Struct, frozen=True, rename="kebab"):
    event_data: _Told


_SIGNED = msgspec.json.Decoder(_Signed)
_PAYLOAD = msgspec.json.Decoder(_Payload)


class Mailgun:
    """Deliveries of Mailgun's webhooks.

    Args:
        secrets: HTTP webhook signing keys.
        tolerance: How old a delivery may be; its token has to be remembered for as long.

    Raises:
        SettingsError: There is no key.
    """

    def __init__(self, secrets: Sequence[str], tolerance: timedelta = RETRIED) -> None:
        self._keyed = Keyed(secret_bytes(secrets, NAME), "sha256")
        self._tolerance = tolerance

    def verify(self, delivery: Delivery, now: datetime) -> str:
        """See Source.verify. Returns what was signed: timestamp and token."""
        try:
            signature = decoded(delivery.body, _SIGNED).signature
        except InvalidEvent:
            message = "the body has no signature: send what Mailgun sends, as JSON"
            raise Unauthenticated(message) from None
        timestamp = text_of(signature.timestamp) or ""
        check_fresh(timestamp, now, self._tolerance)
        # Of a subaccount's event, the main account's key signs too.
        given = filter(None, (signature.signature, signature.parent_signature))
        signed = timestamp + signature.token
        self._keyed.check(map(from_hex, given), any_bytes(signed))
        return signed

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, whole, _report, keys, now)


def _report(part: Part) -> Report | None:
    told = decoded(part, _PAYLOAD).event_data
    kind = _KINDS.get(told.event)
    if kind is None or (kind is EventType.EMAIL_BOUNCE and not _is_bounce(told)):
        return None
    at = moment_since_1970(told.timestamp, "timestamp")
    return Report(
        type=kind,
        at=at,
        id=f"{at:%Y-%m-%d}:{told.id}",
        email=told.recipient,
        tags=told.user_variables or NO_TAGS,
        message=told.message.headers.message_id,
        link=told.url,
        machine=_is_machine(told.client_info, kind),
    )


def _is_bounce(told: _Told) -> bool:
    return told.severity == "permanent" and not (told.reason or "").startswith("suppress-")


def _is_machine(client: _Client, kind: EventType) -> bool:
    if client.bot == "gmail" and kind is EventType.EMAIL_OPEN:
        return False  # it fetches pictures when a person opens the mail
    return bool(client.bot) or is_robot(client.user_agent)
