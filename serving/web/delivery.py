"""From a request to a delivery, whatever its bytes are."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.types import Scope

from features.sources.source import Delivery


def delivery_of(scope: Scope, body: bytes, address: str) -> Delivery:
    """A request as sources are given it.

    Args:
        scope: What ASGI tells of it.
        body: Its bytes.
        address: What stands before `/v1` in the address that the sender was told.
    """
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    path = scope.get("raw_path", b"").decode("latin-1")
    url = f"{address}{path}?{query}" if query else address + path
    return Delivery(body, headers, dict(parse_qsl(query, keep_blank_values=True)), url)
