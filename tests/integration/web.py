"""The web application over the small scorer of the unit tests, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from features.identity import CustomerKeys
from serving.web.app import create_app
from tests.unit.serving.kit import SECRET, Kit, make_kit

FETCH = "/v1/recommendations"
CUSTOMERS = CustomerKeys(SECRET.encode())


class Web:
    """A scorer that is asked by HTTP, without a socket between.

    Args:
        home: Folder of what it keeps.
        environ: Variables of sources.
        settings: As `make_kit` has them.
    """

    def __init__(
        self,
        home: Path,
        environ: Mapping[str, str] | None = None,
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> None:
        self.kit: Kit = make_kit(home, environ, **settings)
        self.app = create_app(self.kit.parts, self.kit.service, CUSTOMERS)
        self.token = self.kit.parts.keys.create("all", ["admin"]).token

    def key(self, *scopes: str) -> dict[str, str]:
        """Headers with a new key of these scopes."""
        token = self.kit.parts.keys.create("some", scopes).token
        return {"authorization": f"Bearer {token}"}

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str | bytes] | None = None,
        **request: Any,  # noqa: ANN401 - as httpx has it
    ) -> httpx.Response:
        """One request; with the key that may do all, unless other headers are given."""
        bearer = {"authorization": f"Bearer {self.token}"}
        # As bytes, so that a header may be anything that a socket could bring.
        given = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in (bearer if headers is None else headers).items()
        ]

        async def send(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(method, url, headers=given, **request)

        return self.talk(send)

    def talk(
        self, work: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
    ) -> httpx.Response:
        """Whatever a client does."""

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://homing") as client:
                return await work(client)

        return asyncio.run(run())

    def fetch(self, headers: Mapping[str, str] | None = None, **query: str) -> httpx.Response:
        """What a template asks."""
        return self.ask("GET", FETCH, headers, params=query)


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= set(document)
    return document
