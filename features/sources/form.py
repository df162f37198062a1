"""Forms as browsers send them, in bytes (WHATWG URL Standard, 5.1): what a signature covers."""

from __future__ import annotations

import re
from binascii import a2b_qp
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_FIELDS: Final = 300
"""More than any source sends; so that an unverified body can't keep us busy."""

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def form_fields(body: bytes) -> dict[bytes, bytes]:
    """Name → value of `application/x-www-form-urlencoded`; of one that comes twice the last.

    Empty for a body of more than `MAX_FIELDS`, which nobody sends.
    """
    if body.count(b"&") >= MAX_FIELDS:
        return {}
    pairs = (pair.partition(b"=") for pair in body.split(b"&") if pair)
    return {_plain(name): _plain(value) for name, _, value in pairs}


def _plain(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    if _BROKEN.search(text):
        return unquote_to_bytes(text)
    # Quoted-printable (RFC 2045) is the same with another sign, and its decoder 15 times as fast:
    # a form is decoded before anybody knows who sent it.
    return a2b_qp(text.replace(b"=", b"=3D").replace(b"%", b"="))
