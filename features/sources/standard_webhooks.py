"""Standard Webhooks: our own events from any sender that signs as the specification says.

A signature is over `ID.TIMESTAMP.BODY`; several may come, of several keys: `v1` is HMAC-SHA256
under a `whsec_` secret, `v1a` Ed25519 under the key whose public half is `whpk_`. Svix calls the
same headers otherwise. The body is what `POST /v1/events` takes, each event read on its own.

Source: "Standard Webhooks", version 1.0.0
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from features.errors import InputError, SettingsError, Unauthenticated
from features.event import Event, parse_event
from features.identity import CustomerKeys
from features.sources.reading import Gathered, Part, decoded, elements
from features.sources.signatures import (
    TOLERANCE,
    Keyed,
    any_bytes,
    check_fresh,
    from_base64,
    header,
    secret_bytes,
)
from features.sources.source import Delivery, Received

if TYPE_CHECKING:
    from features.sources.public_keys import HasSigned

NAME: Final = "standard-webhooks"
MAX_SIGNATURES: Final = 4
"""Of one delivery that are looked at, so that a forged one can't keep us busy."""

_SECRET: Final = b"whsec_"
_PUBLIC: Final = b"whpk_"
_ANYTHING = msgspec.json.Decoder()


class StandardWebhooks:
    """Deliveries of our own events.

    Args:
        secrets: `whsec_` secrets, or `whpk_` public keys.
        tolerance: How old a delivery may be, and how far ahead of our clock.

    Raises:
        SettingsError: There is no secret, or one that is neither.
    """

    def __init__(self, secrets: Sequence[str], tolerance: timedelta = TOLERANCE) -> None:
        shown = secret_bytes(secrets, NAME)
        self._public = tuple(_public_key(one) for one in shown if one.startswith(_PUBLIC))
        self._keyed = Keyed(
            [_secret(one) for one in shown if not one.startswith(_PUBLIC)], "sha256"
        )
        self._tolerance = tolerance

    def verify(self, delivery: Delivery, now: datetime) -> str:
        """See Source.verify; the message's id, which each attempt to deliver it has."""
        prefix = "webhook" if "webhook-id" in delivery.headers else "svix"
        name = header(delivery, f"{prefix}-id")
        timestamp = header(delivery, f"{prefix}-timestamp")
        check_fresh(timestamp, now, self._tolerance)
        given = header(delivery, f"{prefix}-signature").split(" ", MAX_SIGNATURES)
        message = b"%b.%b.%b" % (any_bytes(name), timestamp.encode(), delivery.body)
        if not any(
            has_signed(signature, message)
            for signature in _signatures(given, "v1a")
            for has_signed in self._public
        ):
            self._keyed.check(_signatures(given, "v1"), message)
        return name

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        gathered = Gathered()
        try:
            for part in elements(delivery.body):
                gathered.add(part, partial(_event, part, keys, now))
        except InputError as error:
            gathered.refuse(delivery.body, error)
        return gathered.received()


def _event(part: Part, keys: CustomerKeys, now: datetime) -> list[Event]:
    return [parse_event(decoded(part, _ANYTHING), keys, now)]


def _signatures(given: Sequence[str], version: str) -> Iterator[bytes]:
    for one in given[:MAX_SIGNATURES]:
        kind, _, encoded = one.partition(",")
        if kind == version:
            try:
                yield from_base64(encoded)
            except Unauthenticated:
                continue


def _secret(shown: bytes) -> bytes:
    # Some senders leave the padding out.
    encoded = shown.removeprefix(_SECRET).rstrip(b"=")
    try:
        secret = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        secret = b""
    if not secret:
        raise _unknown()
    return secret


def _public_key(shown: bytes) -> HasSigned:
    from features.sources.public_keys import ed25519  # noqa: PLC0415 - see there

    try:
        key = ed25519(base64.b64decode(shown.removeprefix(_PUBLIC), validate=True))
    except ValueError:
        key = None
    if key is None:
        raise _unknown()
    return key


def _unknown() -> SettingsError:
    return SettingsError(
        f"a secret of the source {NAME} is neither whsec_ nor whpk_ and base64: "
        "set the one that its sender shows"
    )
