"""Postmark: webhooks, one record a delivery, of user and password (RFC 7617).

Bounces and complaints have an id; of the others it is derived from message, record, time, customer
and link, which are the same when a record is sent again.

Kept: Delivery, Open, Click, Bounce of a kind that ends the mail, SpamComplaint, and
SubscriptionChange by the recipient or the shop. Left out: SubscriptionChange because of a bounce or
a complaint, which has its own record, and any that allows mail again; Inbound.

Sources: "Bounce webhook", "Delivery webhook", "Open tracking webhook", "Click webhook", "Spam
complaint webhook", "Subscription change webhook" (https://postmarkapp.com/developer/webhooks) and
"Bounce types" (https://postmarkapp.com/developer/api/bounce-api).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from features.errors import SettingsError, Unauthenticated
from features.event import EventType
from features.identity import CustomerKeys
from features.sources.mail import NO_TAGS, Report, Tags, read_mail, whole
from features.sources.reading import Part, decoded, moment_of
from features.sources.robots import is_robot
from features.sources.signatures import basic_credentials, is_any, secret_bytes
from features.sources.source import Delivery, Received

NAME: Final = "postmark"

_KINDS: Final = {
    "Delivery": EventType.EMAIL_DELIVERED,
    "Open": EventType.EMAIL_OPEN,
    "Click": EventType.EMAIL_CLICK,
    "Bounce": EventType.EMAIL_BOUNCE,
    "SpamComplaint": EventType.EMAIL_COMPLAINT,
    "SubscriptionChange": EventType.UNSUBSCRIBE,
}
_OF_BOUNCES: Final = {
    "SpamComplaint": EventType.EMAIL_COMPLAINT,
    "Unsubscribe": EventType.UNSUBSCRIBE,
    # The mail is on its way, was answered by a program, or never left.
    "AddressChange": None,
    "AutoResponder": None,
    "ChallengeVerification": None,
    "InboundError": None,
    "OpenRelayTest": None,
    "SMTPApiError": None,
    "Subscribe": None,
    "TemplateRenderingFailed": None,
    "Transient": None,
}
"""Types of a Bounce that are none."""
_BY_HAND: Final = "ManualSuppression"


def _spelt(field: str) -> str:
    """A field as Postmark spells it: `MessageID`, `ReceivedAt`."""
    return "".join("ID" if word == "id" else word.title() for word in field.split("_"))


class _Told(msgspec.Struct, frozen=True, kw_only=True, rename=_spelt):
    record_type: str
    message_id: str = ""
    id: int | None = None
    type: str = ""
    email: str | None = None
    recipient: str | None = None
    bounced_at: str = ""
    changed_at: str = ""
    delivered_at: str = ""
    received_at: str = ""
    metadata: Tags | None = None
    original_link: str | None = None
    suppress_sending: bool = False
    suppression_reason: str | None = None
    user_agent: str | None = None


_TOLD = msgspec.json.Decoder(_Told)


class Postmark:
    """Deliveries of Postmark's webhooks.

    Args:
        secrets: `USER:PASSWORD` as they stand in the webhook's address.

    Raises:
        SettingsError: There is none, or one without a colon.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secret_bytes(secrets, NAME)
        if not all(b":" in secret for secret in self._secrets):
            message = "a secret of the source postmark has no colon: write it as USER:PASSWORD"
            raise SettingsError(message)

    def verify(self, delivery: Delivery, now: datetime) -> None:  # noqa: ARG002 - it has no time
        """See Source.verify."""
        if not is_any(basic_credentials(delivery), self._secrets):
            message = (
                "the delivery's user and password are not this source's: compare them with those "
                "in the webhook's address"
            )
            raise Unauthenticated(message)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, whole, _report, keys, now)


def _report(part: Part) -> Report | None:
    told = decoded(part, _TOLD)
    kind = _kind(told)
    if kind is None:
        return None
    at = told.bounced_at or told.changed_at or told.delivered_at or told.received_at
    return Report(
        type=kind,
        at=moment_of(at, "BouncedAt, ChangedAt, DeliveredAt or ReceivedAt"),
        id=None if told.id is None else str(told.id),
        email=told.recipient or told.email,
        tags=told.metadata or NO_TAGS,
        message=told.message_id,
        link=told.original_link,
        machine=is_robot(told.user_agent),
    )


def _kind(told: _Told) -> EventType | None:
    kind = _KINDS.get(told.record_type)
    if kind is EventType.EMAIL_BOUNCE:
        return _OF_BOUNCES.get(told.type, kind)
    if kind is EventType.UNSUBSCRIBE:
        by_hand = told.suppress_sending and told.suppression_reason == _BY_HAND
        return kind if by_hand else None
    return kind
