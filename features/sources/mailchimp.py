"""Mailchimp Marketing: webhooks of an audience, forms without a signature.

What shows that a delivery is Mailchimp's is a secret in the address that it was given:
`?secret=…`. A contact's merge field `CUSTOMER` names the customer. A delivery has no id: one is
derived from type, time, campaign and customer, which are the same when it is sent again.

Kept: unsubscribe, and cleaned, which is a bounce or a complaint. Left out: subscribe, profile and
upemail, for an audience's data are not ours; campaign, for it names nobody.

Source: "Sync Audience Data with Webhooks"
(https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/). Times are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from features.errors import Unauthenticated
from features.event import EventType
from features.identity import CustomerKeys
from features.sources.form import form_fields
from features.sources.mail import Report, Tags, read_mail, whole
from features.sources.reading import Part, moment_of, refused
from features.sources.signatures import any_bytes, is_any, secret_bytes
from features.sources.source import Delivery, Received

NAME: Final = "mailchimp"
PARAMETER: Final = "secret"
"""Of the address."""

_KINDS: Final = {
    "unsubscribe": EventType.UNSUBSCRIBE,
    "cleaned": EventType.EMAIL_BOUNCE,
}
_ABUSE: Final = "abuse"


class Mailchimp:
    """Deliveries of Mailchimp's audience webhooks.

    Args:
        secrets: What stands in the webhook's address as `secret`.

    Raises:
        SettingsError: There is none.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secret_bytes(secrets, NAME)

    def verify(self, delivery: Delivery, now: datetime) -> None:  # noqa: ARG002 - it has no time
        """See Source.verify."""
        if not is_any(any_bytes(delivery.query.get(PARAMETER, "")), self._secrets):
            message = (
                "the address has not this source's secret: give Mailchimp the address with "
                "?secret=… at its end"
            )
            raise Unauthenticated(message)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return read_mail(NAME, delivery.body, whole, _report, keys, now)


def _report(part: Part) -> Report | None:
    fields = form_fields(bytes(part))

    def text(name: str) -> str:
        return fields.get(name.encode(), b"").decode(errors="replace")

    told = text("type")
    if not told:
        cure = "send the form that Mailchimp sends"
        raise refused(field="type", reason="missing", cure=cure)
    kind = _KINDS.get(told)
    if kind is None:
        return None
    if text("data[reason]") == _ABUSE:
        kind = EventType.EMAIL_COMPLAINT
    return Report(
        type=kind,
        at=moment_of(text("fired_at"), "fired_at"),
        email=text("data[email]"),
        tags=Tags(customer=text("data[merges][CUSTOMER]")),
        message=text("data[campaign_id]"),
    )
