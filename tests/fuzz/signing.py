"""Signatures that senders make, so that whatever a fuzzer made of a body gets past the check."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from features.sources.form import form_fields
from features.sources.source import Delivery
from tests.unit.features.making import NOW

SECRET = "secret"
KEY = SECRET.encode()
AT = str(int(NOW.timestamp()))
_PRIVATE = derive_private_key(20_260_301, SECP256R1())
PUBLIC = base64.b64encode(
    _PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
"""Of the key that signs as SendGrid."""

Sign = Callable[[Delivery], Delivery | None]
"""The delivery as its sender signs it; None where it can't be signed, whatever is done to it."""


def _mac(*parts: bytes, digest: str = "sha256") -> bytes:
    return hmac.new(KEY, b"".join(parts), digest).digest()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _with(delivery: Delivery, **headers: str) -> Delivery:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(delivery, headers={**delivery.headers, **named})


def _sendgrid(delivery: Delivery) -> Delivery:
    signed = _PRIVATE.sign(AT.encode() + delivery.body, ECDSA(SHA256()))
    prefix = "x-twilio-email-event-webhook-"
    return _with(delivery, **{f"{prefix}signature": _text(signed), f"{prefix}timestamp": AT})


def _mailgun(delivery: Delivery) -> Delivery | None:
    try:
        payload = msgspec.json.decode(delivery.body)
        token = str(payload.get("signature", {}).get("token", ""))[:60]
        mac = _mac(f"{AT}{token}".encode()).hex()
        payload["signature"] = {"timestamp": AT, "token": token, "signature": mac}
        return replace(delivery, body=msgspec.json.encode(payload))
    except (ValueError, AttributeError, RecursionError):
        return None


def _mandrill(delivery: Delivery) -> Delivery:
    fields = b"".join(name + value for name, value in sorted(form_fields(delivery.body).items()))
    mac = _mac(delivery.url.encode(), fields, digest="sha1")
    return _with(delivery, x_mandrill_signature=_text(mac))


def _klaviyo(delivery: Delivery) -> Delivery:
    signed = _with(
        delivery, klaviyo_timestamp=AT, klaviyo_signature=_mac(delivery.body, AT.encode()).hex()
    )
    unnamed = {name: value for name, value in signed.headers.items() if "webhook-id" not in name}
    return replace(signed, headers=unnamed)


def _customerio(delivery: Delivery) -> Delivery:
    mac = _mac(f"v0:{AT}:".encode(), delivery.body).hex()
    return _with(delivery, x_cio_timestamp=AT, x_cio_signature=mac)


def _stripe(delivery: Delivery) -> Delivery:
    mac = _mac(f"{AT}.".encode(), delivery.body).hex()
    return _with(delivery, stripe_signature=f"t={AT},v1={mac}")


def _standard(delivery: Delivery) -> Delivery:
    mac = _text(_mac(f"m.{AT}.".encode(), delivery.body))
    return _with(delivery, webhook_id="m", webhook_timestamp=AT, webhook_signature=f"v1,{mac}")


def _till(delivery: Delivery) -> Delivery:
    mac = _mac(f"{AT}.m.".encode(), delivery.body).hex()
    return _with(delivery, x_till_signature=f"sha256={mac}", x_till_time=AT, x_till_delivery="m")


def _by_header(name: str, value: str) -> Sign:
    return lambda delivery: _with(delivery, **{name: value})


def _by_body(name: str) -> Sign:
    return lambda delivery: _with(delivery, **{name: _text(_mac(delivery.body))})


SIGNERS: Mapping[str, Sign] = {
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "postmark": _by_header("authorization", f"Basic {_text(b'user:' + KEY)}"),
    "mailchimp": lambda delivery: replace(delivery, query={**delivery.query, "secret": SECRET}),
    "mandrill": _mandrill,
    "klaviyo": _klaviyo,
    "customerio": _customerio,
    "shopify": _by_body("x-shopify-hmac-sha256"),
    "stripe": _stripe,
    "woocommerce": _by_body("x-wc-webhook-signature"),
    "standard-webhooks": _standard,
    "cloudevents": _by_header("authorization", f"Bearer {SECRET}"),
    "till": _till,
}
"""Source → how its sender signs."""

SECRETS: Mapping[str, str] = {
    "sendgrid": PUBLIC,
    "postmark": f"user:{SECRET}",
    "standard-webhooks": "whsec_" + _text(KEY),
}
"""Those that are not `SECRET` itself."""
