"""The one border between outside customer ids and customer keys.

A customer key is `ck_` and 32 hex digits: the first 128 bits of HMAC-SHA256 (RFC 2104) of the
outside id, NFC-normalised (Unicode TR15), under `HOMING_SECRET`. It stands for the person in every
store, file, log and URL; the outside id itself is never kept.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from features.errors import InvalidArgument, SettingsError

MIN_SECRET_BYTES = 32
MAX_OUTSIDE_ID = 256
"""Characters."""

_BLOCK = 64
"""Bytes of a block of SHA-256."""
_KEY = re.compile(r"ck_[0-9a-f]{32}")


def is_key(text: str) -> bool:
    """Whether the text is a customer key already."""
    return _KEY.fullmatch(text) is not None


def are_keys(texts: Iterable[str]) -> bool:
    """Whether all texts are customer keys already."""
    return all(map(_KEY.fullmatch, texts))


class CustomerKeys:
    """Makes customer keys.

    Args:
        secret: At least `MIN_SECRET_BYTES` bytes.

    Raises:
        SettingsError: The secret is shorter than that.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            message = (
                f"HOMING_SECRET has {len(secret)} bytes and needs at least {MIN_SECRET_BYTES}: "
                "make one with `openssl rand -hex 32`"
            )
            raise SettingsError(message)
        # The two states that HMAC goes on from: every event and every mail makes a key, and hmac's
        # own objects take twice the time.
        short = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
        block = short.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def resolve(self, text: str, field: str = "customer") -> str:
        """The key of an outside id; a key stays what it is.

        Args:
            text: The id, or a key.
            field: Where it was, for the message.

        Raises:
            InvalidArgument: The id is empty, too long or has control characters.
        """
        if is_key(text):
            return text
        # ASCII is normal as it is.
        outside = (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
        if not outside or len(outside) > MAX_OUTSIDE_ID or not outside.isprintable():
            reason = f"a customer id has 1 to {MAX_OUTSIDE_ID} printable characters"
            # The id itself may be personal: the message tells its length alone.
            shown = f"{len(text)} characters"
            cure = "send the shop's own customer id"
            raise InvalidArgument.of(shown, field=field, reason=reason, cure=cure)
        inner, mac = self._inner.copy(), self._outer.copy()
        inner.update(outside.encode())
        mac.update(inner.digest())
        return f"ck_{mac.hexdigest()[:32]}"
