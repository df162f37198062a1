"""What a person decides reaches every scorer within two seconds, whoever was told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from features.clock import SystemClock
from features.item import Item
from features.stores.opening import open_stores
from homing.child import free_port, running_scorer
from serving.keys import KeyFile
from tests.integration.web import FETCH
from tests.services import redis_server
from tests.unit.serving.kit import SECRET

LIMIT = 2.0
"""Seconds until every replica obeys."""
NAMES = tuple(f"item-{number:04}" for number in range(5_000))


@pytest.fixture(params=["sqlite", "redis"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of two scorers on one store that is filled."""
    with ExitStack() as ends:
        url = f"sqlite:///{tmp_path / 'profiles.db'}"
        if request.param == "redis":
            url = ends.enter_context(redis_server())
        stores = open_stores(url)
        stores.catalogue.put_many(Item(id=name, title=name) for name in NAMES)
        stores.catalogue.put_shelves({"popular": NAMES[:100]})
        stores.close()
        yield {
            "HOMING_SECRET": SECRET,
            "HOMING_STORE_URL": url,
            "HOMING_LOG_URL": "none://",
            "HOMING_DRAIN_SECONDS": "0",
            "HOMING_TRACKING_URL": "http://127.0.0.1:9",  # nobody is there, which is soon known
            "HOMING_KEYS_FILE": str(tmp_path / "keys.json"),
        }


@pytest.fixture
def replicas(given: dict[str, str], tmp_path: Path) -> Iterator[list[httpx.Client]]:
    """A client of each."""
    token = KeyFile(tmp_path / "keys.json", SystemClock()).create("test", ["admin"]).token
    key = {"authorization": f"Bearer {token}"}
    with ExitStack() as ends:
        clients = []
        for name in ("one", "two"):
            home = tmp_path / name
            home.mkdir()
            settings = {**given, "HOMING_HOME": str(home)}
            address = ends.enter_context(
                running_scorer(free_port(0), settings, home / "scorer.log")
            )
            client = httpx.Client(base_url=address, headers=key, timeout=10)
            clients.append(ends.enter_context(client))
        yield clients


def first(client: httpx.Client) -> str:
    """The first item of an answer."""
    body = client.get(FETCH, params={"customer": "anna", "block": "hero"}).json()
    assert body["count"] == 4
    name: str = body["items"][0]["id"]
    return name


def seconds_until(client: httpx.Client, item: str) -> float:
    """How long it takes until an item comes first."""
    began = time.monotonic()
    while (seen := first(client)) != item:
        assert time.monotonic() - began < 10, seen
        time.sleep(0.01)
    return time.monotonic() - began


def test_every_replica_obeys_within_two_seconds(
    replicas: list[httpx.Client], given: dict[str, str], tmp_path: Path
) -> None:
    one, two = replicas
    assert [first(client) for client in replicas] == [NAMES[0]] * 2
    one.put("/v1/overrides", json={"action": "ban", "item": NAMES[0]}).raise_for_status()
    assert first(one) == NAMES[1]
    assert seconds_until(two, NAMES[1]) < LIMIT

    command = [sys.executable, "-m", "homing", "override", "pin", NAMES[4_999], "--id", "ours"]
    settings = {**os.environ, **given, "HOMING_HOME": str(tmp_path / "elsewhere")}
    subprocess.run(command, env=settings, check=True, capture_output=True)  # noqa: S603 - ours
    assert max(seconds_until(client, NAMES[4_999]) for client in replicas) < LIMIT

    two.delete("/v1/overrides/ours").raise_for_status()
    assert first(two) == NAMES[1]
    assert seconds_until(one, NAMES[1]) < LIMIT
