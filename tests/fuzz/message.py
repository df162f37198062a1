"""A request as one piece of bytes, that a fuzzer can change anywhere: query, headers, body."""

from __future__ import annotations

import re
from collections.abc import Mapping

from features.sources.source import Delivery
from serving.web.delivery import delivery_of

_END = b"\n\n"
_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A header's name (RFC 9110, 5.1)."""
ADDRESS = "https://homing.example"
PATH = b"/v1/webhooks/any"


def written(body: bytes, headers: Mapping[str, str] | None = None, query: str = "") -> bytes:
    """The piece that a request is."""
    lines = [query, *(f"{name}:{value}" for name, value in (headers or {}).items())]
    return "\n".join(lines).encode("latin-1") + _END + body


def parted(piece: bytes) -> tuple[bytes, bytes]:
    """What stands before a request's body, and that."""
    head, _, body = piece.partition(_END)
    return head, body


def whole(head: bytes, body: bytes) -> bytes:
    """Of its parts, the piece."""
    return head + _END + body


def headers_in(head: bytes) -> list[tuple[bytes, bytes]]:
    """Headers, as ASGI has them; names that HTTP has not let no server through."""
    pairs = (line.partition(b":") for line in head.split(b"\n")[1:])
    return [(name.lower(), value) for name, _, value in pairs if _TOKEN.fullmatch(name)]


def query_in(head: bytes) -> bytes:
    """The query, as ASGI has it."""
    return head.split(b"\n", 1)[0]


def delivery_in(piece: bytes) -> Delivery:
    """The delivery that any bytes are, by the way that every delivery comes."""
    head, body = parted(piece)
    scope = {"headers": headers_in(head), "query_string": query_in(head), "raw_path": PATH}
    return delivery_of(scope, body, ADDRESS)
