from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from benchmarks.serving.apps import bare

SLATE = {
    "slate": "sl_1",
    "customer": "ck_1",
    "block": "hero",
    "send": None,
    "served_by": "model",
    "reason": None,
    "model": "recommender/1",
    "count": 1,
    "items": [
        {
            "position": 1,
            "id": "a",
            "title": "A",
            "url": "https://shop.example/a",
            "image_url": "",
            "price": 2.5,
            "currency": "GBP",
            "because": {"kind": "bought", "item": "b"},
            "brand": None,
            "categories": ["tea"],
            "attributes": {"colour": "red"},
        }
    ],
}


@pytest.mark.parametrize("factory", [bare.bare, bare.modelled])
def test_what_we_are_compared_with_says_the_same(
    factory: Callable[[], ASGIApp], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "body").write_bytes(msgspec.json.encode(SLATE))
    monkeypatch.setenv(bare.BODY, str(tmp_path / "body"))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(factory())
        async with httpx.AsyncClient(transport=transport, base_url="http://peer") as client:
            return await client.get(bare.PATH)

    assert asyncio.run(ask()).json() == SLATE
