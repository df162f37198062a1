"""What end-to-end tests ask a running scorer, as templates and shops ask it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from features.clock import SystemClock
from features.settings import Settings
from serving.keys import KeyFile

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds that a test waits for what must come sooner or later, on a busy machine."""


def client_of(address: str, settings: Settings) -> httpx.Client:
    """A client with a key that may do everything a shop does."""
    scopes = ["recommend", "events", "catalogue"]
    created = KeyFile(settings.home / "keys.json", SystemClock()).create("tests", scopes)
    return httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {created.token}"}, timeout=10.0
    )


def fetch(client: httpx.Client, customer: str, send: str, block: str = "hero") -> dict[str, Any]:
    """One slate; every answer must be 200."""
    query = {"customer": customer, "block": block, "send": send}
    response = client.get("/v1/recommendations", params=query)
    assert response.status_code == httpx.codes.OK, response.text
    answer: dict[str, Any] = response.json()
    assert answer["count"] == len(answer["items"]) == 4
    return answer


def ids(slate: dict[str, Any]) -> list[str]:
    """The slate's items in their order."""
    return [item["id"] for item in slate["items"]]


def eventually(look: Callable[[], T], holds: Callable[[T], bool]) -> tuple[T, float]:
    """What `look` gives once it holds, and the seconds that took.

    Raises:
        AssertionError: It did not hold within `PATIENCE`.
    """
    began = time.monotonic()
    while True:
        seen = look()
        spent = time.monotonic() - began
        if holds(seen):
            return seen, spent
        assert spent < PATIENCE, seen
        time.sleep(0.02)
