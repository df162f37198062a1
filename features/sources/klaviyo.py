"""Klaviyo: system webhooks, a list of events that stand as its Events API gives them.

The signature is the hex of HMAC-SHA256 over body and `Klaviyo-Timestamp`, the date of HTTP. The
header `Klaviyo-Webhook-Id` is not signed and must be the one in the body.

An event names a profile of Klaviyo. The customer is its `external_id` or e-mail address where the
event comes with the profile, else Klaviyo's own profile id, which templates know as well.

Kept: received_email (email_delivered), opened_email, clicked_email, bounced_email,
marked_email_as_spam, unsubscribed_from_… and manually_suppressed_from_email_marketing.
Left out: dropped_email, all of SMS and push, and any other metric: orders come from the shop.

Sources: "Working with system webhooks"
(https://developers.klaviyo.com/en/docs/working_with_system_webhooks); "How to identify iOS15 Mail
Privacy Protection opens" (https://help.klaviyo.com/hc/en-us/articles/4416791883163).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from features.errors import InvalidEvent, Unauthenticated
from features.event import EventType
from features.identity import CustomerKeys
from features.sources.mail import Report, Tags, read_mail
from features.sources.reading import Name, Part, decoded, moment_of, moment_since_1970, text_of
from features.sources.signatures import (
    TOLERANCE,
    Keyed,
    check_fresh,
    from_hex,
    header,
    secret_bytes,
)
from features.sources.source import Delivery, Received

NAME: Final = "klaviyo"
SIGNATURE: Final = "klaviyo-signature"
TIMESTAMP: Final = "klaviyo-timestamp"
WEBHOOK: Final = "klaviyo-webhook-id"

_KINDS: Final = {
    "received_email": EventType.EMAIL_DELIVERED,
    "email_delivered": EventType.EMAIL_DELIVERED,
    "opened_email": EventType.EMAIL_OPEN,
    "clicked_email": EventType.EMAIL_CLICK,
    "bounced_email": EventType.EMAIL_BOUNCE,
    "marked_email_as_spam": EventType.EMAIL_COMPLAINT,
    "unsubscribed_from_email_marketing": EventType.UNSUBSCRIBE,
    "manually_suppressed_from_email_marketing": EventType.UNSUBSCRIBE,
}
_PREFIXES: Final = ("event:", "klaviyo.")
_TRUE: Final = (True, "True", "true")


class _Properties(msgspec.Struct, frozen=True):
    message: object = msgspec.field(name="$message", default=None)
    url: str | None = msgspec.field(name="URL", default=None)
    apple: object = msgspec.field(name="Apple Privacy Open", default=None)
    machine: object = msgspec.field(name="machine_open", default=None)
    bot: object = msgspec.field(name="Bot Click", default=None)


class _Attributes(msgspec.Struct, frozen=True, kw_only=True):
    timestamp: float | None = None
    datetime: str = ""
    event_properties: _Properties | None = None
    # Of a profile.
    email: str | None = None
    external_id: Name = None


class _Resource(msgspec.Struct, frozen=True, kw_only=True):
    type: str = ""
    id: str | None = None
    attributes: _Attributes = _Attributes()


class _Profile(msgspec.Struct, frozen=True):
    data: _Resource | None = None


class _Relationships(msgspec.Struct, frozen=True):
    profile: _Profile = _Profile()


class _Event(_Resource, frozen=True, kw_only=True):
    relationships: _Relationships = _Relationships()


class _Document(msgspec.Struct, frozen=True):
    data: _Event
    included: list[_Resource] = []


class _Told(msgspec.Struct, frozen=True):
    topic: str
    external_id: str
    payload: msgspec.Raw


class _Meta(msgspec.Struct, frozen=True):
    klaviyo_webhook_id: str | None = None


class _Signed(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


class _Payload(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


_DOCUMENT = msgspec.json.Decoder(_Document)
_PAYLOAD = msgspec.json.Decoder(_Payload)
_SIGNED = msgspec.json.Decoder(_Signed)
_TOLD = msgspec.json.Decoder(_Told)


class Klaviyo:
    """Deliveries of Klaviyo's system webhooks.

    Args:
        secrets: Secret keys that the webhook was made with.
        tolerance: How far Klaviyo's clock may be from ours.

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
        self._keyed.check([signature], delivery.body, timestamp.encode())
        claimed = delivery.headers.get(WEBHOOK)
        if claimed and _webhook(delivery.body) not in (None, claimed):
            message = f"the header {WEBHOOK} is not the body's: send what was signed"
            raise Unauthenticated(message)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, _parts, _report, keys, now)


def _parts(body: bytes) -> Iterable[Part]:
    return decoded(body, _PAYLOAD).data


def _webhook(body: bytes) -> str | None:
    try:
        return decoded(body, _SIGNED).meta.klaviyo_webhook_id
    except InvalidEvent:
        return None


def _report(part: Part) -> Report | None:
    told = decoded(part, _TOLD)
    kind = _KINDS.get(_metric(told.topic))
    if kind is None:
        return None
    document = decoded(told.payload, _DOCUMENT)
    attributes = document.data.attributes
    properties = attributes.event_properties or _Properties()
    customer, email = _person(document)
    at = (
        moment_of(attributes.datetime, "datetime")
        if attributes.timestamp is None
        else moment_since_1970(attributes.timestamp, "timestamp")
    )
    message = properties.message
    return Report(
        type=kind,
        at=at,
        id=told.external_id,
        email=email,
        tags=Tags(customer=customer),
        message=message if isinstance(message, str) else None,
        link=properties.url,
        machine=_is_machine(properties),
    )


def _metric(topic: str) -> str:
    for prefix in _PREFIXES:
        topic = topic.removeprefix(prefix).strip()
    return topic


def _person(document: _Document) -> tuple[Name, str | None]:
    """Which customer: an id, an e-mail address, or both."""
    profile = document.data.relationships.profile.data or _Resource()
    for resource in _of(document.included, profile):
        email, external = resource.attributes.email, text_of(resource.attributes.external_id)
        if external or email:
            return external, email
    return profile.id, None


def _of(included: Iterable[_Resource], profile: _Resource) -> Iterable[_Resource]:
    return (one for one in included if one.type == "profile" and one.id == profile.id)


def _is_machine(properties: _Properties) -> bool:
    return any(flag in _TRUE for flag in (properties.apple, properties.machine, properties.bot))
