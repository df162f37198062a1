"""Whether a delivery is from who it says: what the checks of all sources share.

All of it takes anything at all, and compares in constant time. What does not fit is
`Unauthenticated`, whose message repeats nothing of what was sent.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from features.errors import SettingsError, Unauthenticated
from features.sources.source import Delivery

TOLERANCE: Final = timedelta(minutes=5)
"""How far a sender's clock may be from ours, unless a source says otherwise."""

Digest = Literal["sha1", "sha256", "sha384", "sha512"]

_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
"""Until the year 5138: what a datetime can hold, and no arithmetic can overflow."""
_DATE = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [1-9][0-9]{3} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", re.ASCII
)


def secret_bytes(secrets: Sequence[str], source: str) -> tuple[bytes, ...]:
    """The secrets of a source as bytes.

    Raises:
        SettingsError: There is none, or an empty one, under which anybody can sign.
    """
    if not secrets or not all(secrets):
        message = (
            f"the source {source} has no secret, or an empty one: set the one its sender shows"
        )
        raise SettingsError(message)
    return tuple(secret.encode("utf-8", "surrogateescape") for secret in secrets)


def any_bytes(text: str) -> bytes:
    """The UTF-8 of any text, also of one that no UTF-8 can be decoded to."""
    return text.encode("utf-8", "surrogatepass")


def is_any(given: bytes, secrets: Iterable[bytes]) -> bool:
    """Whether the bytes are one of the secrets; the time tells nothing but lengths."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(given, secret)
    return found


class Keyed:
    """HMAC (RFC 2104) under any of several keys.

    Args:
        keys: One, or two while they are being changed; none is empty.
        digest: The hash function.
    """

    def __init__(self, keys: Sequence[bytes], digest: Digest) -> None:
        self._keyed = tuple(hmac.new(key, digestmod=digest) for key in keys)

    def check(self, given: Iterable[bytes], *message: bytes) -> None:
        """Return if any of the given MACs is that of the message under any of the keys.

        Args:
            given: What was sent, decoded; several where a sender signs with several keys.
            message: The signed bytes, in parts that follow each other.

        Raises:
            Unauthenticated: None is.
        """
        shown = tuple(given)
        found = False
        for keyed in self._keyed:
            mac = keyed.copy()
            for part in message:
                mac.update(part)
            expected = mac.digest()
            for one in shown:
                found |= hmac.compare_digest(one, expected)
        if not found:
            raise wrong_signature()


def wrong_signature() -> Unauthenticated:
    """The refusal of a delivery whose signature is not the sender's."""
    return Unauthenticated(
        "the signature is not that of these bytes under a secret of this source: "
        "compare the secret with the one that the sender shows"
    )


def header(delivery: Delivery, name: str) -> str:
    """A header that a signed delivery has.

    Args:
        delivery: Any.
        name: In lower case.

    Raises:
        Unauthenticated: It is missing or empty.
    """
    text = delivery.headers.get(name)
    if not text:
        message = f"the delivery has no {name} header: switch signing on where the sender is set up"
        raise Unauthenticated(message)
    return text


def from_hex(text: str) -> bytes:
    """The bytes of hex digits.

    Raises:
        Unauthenticated: They are none.
    """
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise wrong_signature() from None


def from_base64(text: str) -> bytes:
    """The bytes of standard base64 (RFC 4648), padded.

    Raises:
        Unauthenticated: It is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise wrong_signature() from None


def check_fresh(moment: str, now: datetime, tolerance: timedelta) -> None:
    """Return if a signed time is near ours, so that an old delivery can't be sent again.

    Args:
        moment: As the sender wrote it: seconds since 1970, or the date of HTTP (RFC 9110, 5.6.7).
        now: Our clock, aware.
        tolerance: How far it may be off, before and after.

    Raises:
        Unauthenticated: It is neither, or too far off.
    """
    if abs(now.timestamp() - _seconds(moment)) > tolerance.total_seconds():
        message = (
            f"the delivery's time is more than {tolerance.total_seconds():g} s from ours: "
            "compare the clocks; one that was sent before is not taken again"
        )
        raise Unauthenticated(message)


def _seconds(moment: str) -> float:
    if _SECONDS.fullmatch(moment) is not None:
        return int(moment)
    if _DATE.fullmatch(moment) is not None:
        try:
            return parsedate_to_datetime(moment).timestamp()
        except (ValueError, OverflowError):
            pass  # a day or an hour that there is not
    message = "the delivery's time can't be read: send what was signed"
    raise Unauthenticated(message)


def basic_credentials(delivery: Delivery) -> bytes:
    """`USER:PASSWORD` of the `Authorization: Basic` header (RFC 7617), to be compared by `is_any`.

    Raises:
        Unauthenticated: There is no such header, or it can't be read.
    """
    scheme, _, encoded = delivery.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or not encoded:
        message = (
            "the delivery has no user and password: put them into the URL, https://USER:PASSWORD@…"
        )
        raise Unauthenticated(message)
    return from_base64(encoded.strip())
