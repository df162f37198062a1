"""A small REST API of a shop, over real HTTP: tokens, pages, times when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow.dataset as ds

from features.lake import Lake
from tests.listening import listening

PAGE = 3


class Shop:
    """Orders, and what is asked for them.

    Attributes:
        orders: In the order of `updated_at`.
        answers: Status and headers that the next asks for orders get instead, the first first.
        asked: Query of every ask for orders.
        tokens: What was posted for a token.
        valid: The token that is taken; None for any.
    """

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.asked: list[dict[str, str]] = []
        self.tokens: list[dict[str, str]] = []
        self.valid: str | None = None
        self.url = ""

    def page(self, since: str, after: int) -> dict[str, Any]:
        """One page of the orders that were updated since."""
        found = [one for one in self.orders if one["updated_at"] >= since]
        page = found[after : after + PAGE]
        more = after + PAGE < len(found)
        return {"data": page, "paging": {"next": str(after + PAGE)} if more else {}}

    def answer(self, path: str, query: dict[str, str]) -> bytes:
        """What is at a path."""
        since, after = query.get("since", ""), int(query.get("after", "0"))
        if path == "/lines":
            return self.lines(since)
        return json.dumps(self.page(since, after)).encode()

    def lines(self, since: str) -> bytes:
        """All of them, a line each."""
        return b"".join(
            json.dumps(one).encode() + b"\n" for one in self.orders if one["updated_at"] >= since
        )


def order(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """An order of two lines, placed and updated in the minute of its number."""
    at = f"2026-01-01T10:{number:02}:00Z"
    return {
        "id": number,
        "updated_at": at,
        "created_at": at,
        "currency": "GBP",
        "customer": {"id": 100 + number % 3, "email": f"c{number % 3}@example.com"},
        "lines": [
            {"no": 1, "sku": "lamp", "pieces": 1, "price": 5 + number},
            {"no": 2, "sku": "hat", "pieces": 2, "price": 9.5},
        ],
        **fields,
    }


def events(home: Path) -> list[dict[str, Any]]:
    """All events of a home's lake, in the order of ids."""
    files = Lake(str(home / "lake")).files()
    found: list[dict[str, Any]] = ds.dataset(files).to_table().to_pylist()
    return sorted(found, key=lambda one: one["id"])


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Answer an ask for orders."""
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            shop.asked.append(query)
            if shop.valid and self.headers.get("Authorization") != f"Bearer {shop.valid}":
                shop.answers.insert(0, (401, {}))
            if shop.answers:
                status, headers = shop.answers.pop(0)
                self._answer(status, b"{}", headers)
            else:
                self._answer(200, shop.answer(url.path, query), {})

        def do_POST(self) -> None:
            """Give a token."""
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            shop.tokens.append(dict(parse_qsl(body)))
            shop.valid = f"token-{len(shop.tokens)}"
            token = {"access_token": shop.valid, "expires_in": 3600}
            self._answer(200, json.dumps(token).encode(), {})

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def shop_server() -> Iterator[Shop]:
    """The shop, on a free port of this machine."""
    shop = Shop()
    with listening(_handler(shop)) as shop.url:
        yield shop
