"""Forms as browsers send them, in bytes (WHATWG URL Standard, 5.1): what a signature covers."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

MAX_FIELDS: Final = 300
"""More than any source sends; so that an unverified body can't keep us busy."""


def form_fields(body: bytes) -> dict[bytes, bytes]:
    """Name → value of `application/x-www-form-urlencoded`; of one that comes twice the last.

    Empty for a body of more than `MAX_FIELDS`, which nobody sends.
    """
    if body.count(b"&") >= MAX_FIELDS:
        return {}
    pairs = (pair.partition(b"=") for pair in body.split(b"&") if pair)
    return {_plain(name): _plain(value) for name, _, value in pairs}


def _plain(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
