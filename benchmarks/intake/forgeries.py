"""A forged delivery for every built-in source: all is as it should be but the signature."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.intake.made import SECRET, SIGNING, told
from features.settings import Settings
from features.sources.opening import SOURCES, open_sources
from features.sources.source import Delivery, Source
from features.sources.variables import PREFIX

EVENTS: Final = 10
"""In one delivery: a few kilobytes, as most are."""


def forgeries(now: datetime, each: int) -> Iterator[tuple[str, Source, Delivery]]:
    """Name, source, and a delivery that it must refuse.

    Args:
        now: When they come, aware.
        each: How many secrets a source has: one, or two while it is being changed.
    """
    settings = Settings(secret=SECRET, public_url="https://homing.example.com")
    for name, opened in open_sources(settings, _environment(each)).items():
        url = f"{settings.public_url}/v1/webhooks/{name}?secret=forged"
        delivery = Delivery(_body(now), _headers(now), {"secret": "forged"}, url)
        yield name, opened.source, delivery


def _environment(each: int) -> dict[str, str]:
    found = {}
    for name in SOURCES:
        variable = f"{PREFIX}{name.upper().replace('-', '_')}_SECRET"
        found[variable] = ",".join(_secret(name) for _ in range(each))
    return found


def _secret(name: str) -> str:
    if name == "sendgrid":
        public = generate_private_key(SECP256R1()).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()
    if name == "standard-webhooks":
        return SIGNING
    return f"user:{secrets.token_hex(16)}" if name == "postmark" else secrets.token_hex(16)


def _body(now: datetime) -> bytes:
    sent = str(int(now.timestamp()))
    signature = {"timestamp": sent, "token": secrets.token_hex(25), "signature": "0" * 64}
    told_all = [told(number, now) for number in range(EVENTS)]
    return msgspec.json.encode({"signature": signature, "events": told_all})


def _headers(now: datetime) -> dict[str, str]:
    """What any of them looks for."""
    sent = str(int(now.timestamp()))
    digest = secrets.token_bytes(32)
    as_hex, as_base64 = digest.hex(), base64.b64encode(digest).decode()
    # A signature of the right form: two numbers on the curve, in DER.
    ecdsa = base64.b64encode(b"\x30\x44\x02\x20\x11%b\x02\x20\x11%b" % (digest[1:], digest[1:]))
    return {
        "content-type": "application/json",
        "authorization": f"Basic {base64.b64encode(b'user:forged').decode()}",
        "webhook-id": "msg_1",
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{as_base64} v1,{as_base64}",
        "stripe-signature": f"t={sent},v1={as_hex}",
        "x-cio-signature": as_hex,
        "x-cio-timestamp": sent,
        "klaviyo-signature": as_hex,
        "klaviyo-timestamp": sent,
        "x-mandrill-signature": as_base64,
        "x-shopify-hmac-sha256": as_base64,
        "x-shopify-topic": "orders/create",
        "x-wc-webhook-signature": as_base64,
        "x-wc-webhook-topic": "order.created",
        "x-twilio-email-event-webhook-signature": ecdsa.decode(),
        "x-twilio-email-event-webhook-timestamp": sent,
    }
