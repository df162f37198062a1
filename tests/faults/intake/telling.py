"""Requests that tell events, each by its sender's own signature, and what they say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from features.clock import Clock
from features.event import Event, EventType, parse_events
from features.identity import CustomerKeys
from features.sources.mailgun import Mailgun
from features.sources.sendgrid import SIGNATURE, TIMESTAMP, SendGrid
from features.sources.source import Delivery, Source
from tests.faults.world import SECRET

TYPES: Final = (EventType.VIEW, EventType.PURCHASE, EventType.RETURN, EventType.EMAIL_CLICK)
CUSTOMERS: Final = 300
DAYS: Final = 3
"""Over which events are spread: as many partitions of the lake, and one more."""

_KEYS: Final = CustomerKeys(SECRET.encode())
_GUN: Final = "mailgun key"
_WAY: Final = b"another secret"
_PRIVATE: Final = ec.generate_private_key(ec.SECP256R1())
_PUBLIC: Final = base64.b64encode(
    _PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()

ENVIRON: Final[Mapping[str, str]] = {
    "HOMING_WEBHOOK_MAILGUN_SECRET": _GUN,
    "HOMING_WEBHOOK_SENDGRID_SECRET": _PUBLIC,
    "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": "whsec_" + base64.b64encode(_WAY).decode(),
}
"""What an intake must know of these senders."""


@dataclass(frozen=True)
class Told:
    """One request, and what it says.

    Attributes:
        path: Where it goes.
        body: The bytes.
        headers: With its signature.
        events: What it says, as the lake and profiles must have it.
    """

    path: str
    body: bytes
    headers: Mapping[str, str]
    events: Sequence[Event] = field(repr=False)


Tells = Callable[[Sequence[int]], Told]
"""Makes the request that tells the events of these numbers; a number stands for the same event each
time."""


class Telling:
    """Senders that know one another's clock.

    Args:
        token: A key with the scope `events`.
        clock: Of all of them.
    """

    def __init__(self, token: str, clock: Clock) -> None:
        self._token = token
        self._clock = clock
        self._began = clock.now().replace(microsecond=0)
        self._mailgun = Mailgun([_GUN])
        self._sendgrid = SendGrid([_PUBLIC])

    def by_api(self, numbers: Sequence[int]) -> Told:
        """A list at `/v1/events`."""
        raw = self._own(numbers)
        headers = {"authorization": f"Bearer {self._token}"}
        return Told("/v1/events", json.dumps(raw).encode(), headers, self._parsed(raw))

    def by_standard_webhooks(self, numbers: Sequence[int]) -> Told:
        """The same events as `by_api`, as a signed webhook; a request of its own each time."""
        raw, now = self._own(numbers), self._clock.now()
        body, name, at = json.dumps(raw).encode(), f"msg-{now.isoformat()}-{numbers[0]}", _at(now)
        signed = f"{name}.{at}.".encode() + body
        mac = base64.b64encode(hmac.digest(_WAY, signed, hashlib.sha256)).decode()
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(at),
            "webhook-signature": f"v1,{mac}",
        }
        return Told("/v1/webhooks/standard-webhooks", body, headers, self._parsed(raw))

    def by_sendgrid(self, numbers: Sequence[int]) -> Told:
        """Mails that were opened, in one delivery."""
        told = [
            {
                "event": "open",
                "sg_event_id": f"sg-{number}",
                "timestamp": _at(self._moment(number)),
                "email": _mail(number),
            }
            for number in numbers
        ]
        body, at = json.dumps(told).encode(), str(_at(self._clock.now()))
        signature = _PRIVATE.sign(at.encode() + body, ec.ECDSA(SHA256()))
        headers = {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: at}
        return self._delivered("sendgrid", self._sendgrid, body, headers)

    def by_mailgun(self, numbers: Sequence[int]) -> Told:
        """A mail that was opened: of several numbers the first."""
        number, now = numbers[0], self._clock.now()
        at, token = str(_at(now)), f"token-{number}-{now.isoformat()}"
        mac = hmac.new(_GUN.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest()
        event = {
            "event": "opened",
            "id": f"mg-{number}",
            "timestamp": _at(self._moment(number)),
            "recipient": _mail(number),
        }
        signature = {"timestamp": at, "token": token, "signature": mac}
        body = json.dumps({"signature": signature, "event-data": event}).encode()
        return self._delivered("mailgun", self._mailgun, body, {})

    def _moment(self, number: int) -> datetime:
        return self._began - timedelta(seconds=7_001 * number % (DAYS * 86_400))

    def _own(self, numbers: Sequence[int]) -> list[dict[str, object]]:
        """Events of our own form; some share a customer, an item or a second."""
        return [
            {
                "id": f"e-{number}",
                "type": TYPES[number % 4],
                "customer": f"customer-{number % CUSTOMERS}",
                "occurred_at": self._moment(number).isoformat(),
                "item": f"item-{number % 53}",
            }
            for number in numbers
        ]

    def _parsed(self, raw: object) -> Sequence[Event]:
        return parse_events(raw, _KEYS, self._clock.now())

    def _delivered(
        self, name: str, source: Source, body: bytes, headers: Mapping[str, str]
    ) -> Told:
        received = source.read(Delivery(body, headers), _KEYS, self._clock.now())
        assert not received.unreadable, received.unreadable
        return Told(f"/v1/webhooks/{name}", body, headers, received.events)


def _at(moment: datetime) -> int:
    return int(moment.timestamp())


def _mail(number: int) -> str:
    return f"customer-{number % CUSTOMERS}@example.com"
