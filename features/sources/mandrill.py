"""Mailchimp Transactional, formerly Mandrill: webhooks, a list of events in a form's field.

The signature is the base64 of HMAC-SHA1 under the webhook's key, over the address as Mandrill was
told it and each field's name and value, sorted by name. It has no time, but an event's id is the
same when it is sent again: derived from message, event, time, customer and link, for `_id` is the
message's.

Kept: send, delivered, open, click, hard_bounce, soft_bounce, spam and unsub. Left out: reject, for
what stopped the mail was reported before; deferral, for the mail is tried again; inbound mail and
changes of the deny list.

Sources: "Authenticating webhook requests" and "Format of webhooks"
(https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from features.event import EventType
from features.identity import CustomerKeys
from features.sources.form import form_fields
from features.sources.mail import NO_TAGS, Report, Tags, read_mail
from features.sources.reading import Part, decoded, moment_since_1970, refused
from features.sources.robots import is_robot
from features.sources.signatures import Keyed, any_bytes, from_base64, header, secret_bytes
from features.sources.source import Delivery, Received

NAME: Final = "mandrill"
SIGNATURE: Final = "x-mandrill-signature"
FIELD: Final = b"mandrill_events"

_KINDS: Final = {
    "send": EventType.EMAIL_SENT,
    "delivered": EventType.EMAIL_DELIVERED,
    "open": EventType.EMAIL_OPEN,
    "click": EventType.EMAIL_CLICK,
    "hard_bounce": EventType.EMAIL_BOUNCE,
    "soft_bounce": EventType.EMAIL_BOUNCE,
    "spam": EventType.EMAIL_COMPLAINT,
    "unsub": EventType.UNSUBSCRIBE,
}


class _Message(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id", default="")
    email: str | None = None
    # Without any it is an empty list.
    metadata: Tags | list[object] | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    event: str | None = None
    type: str | None = None
    ts: float = -1.0
    msg: _Message = _Message()
    url: str | None = None
    user_agent: str | None = None


_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_TOLD = msgspec.json.Decoder(_Told)


class Mandrill:
    """Deliveries of Mandrill's webhooks.

    Args:
        secrets: Keys that Mandrill shows for the webhook.

    Raises:
        SettingsError: There is none.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keyed = Keyed(secret_bytes(secrets, NAME), "sha1")

    def verify(self, delivery: Delivery, now: datetime) -> None:  # noqa: ARG002 - it has no time
        """See Source.verify."""
        signature = from_base64(header(delivery, SIGNATURE))
        fields = sorted(form_fields(delivery.body).items())
        signed = b"".join(name + value for name, value in fields)
        self._keyed.check([signature], any_bytes(delivery.url), signed)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, _parts, _report, keys, now)


def _parts(body: bytes) -> Iterable[Part]:
    return decoded(form_fields(body).get(FIELD, b""), _PARTS)


def _report(part: Part) -> Report | None:
    told = decoded(part, _TOLD)
    if told.event is None and told.type is None:
        cure = "send what Mandrill sends"
        raise refused(field="event", reason="missing", cure=cure)
    kind = _KINDS.get(told.event or "")
    if kind is None:
        return None
    tags = told.msg.metadata
    return Report(
        type=kind,
        at=moment_since_1970(told.ts, "ts"),
        email=told.msg.email,
        tags=tags if isinstance(tags, Tags) else NO_TAGS,
        message=told.msg.id,
        link=told.url,
        machine=is_robot(told.user_agent),
    )
