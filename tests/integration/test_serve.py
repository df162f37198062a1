"""The scorer as a process of its own, and what happens when things around it break."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from features.clock import SystemClock
from features.profile import Profile, history_of
from features.stores.opening import open_stores
from homing.child import free_port, running_scorer
from serving.keys import KeyFile
from serving.model.registry import LocalVersions
from tests.faults.processes import children, command_of
from tests.integration.web import CUSTOMERS, FETCH
from tests.services import redis_server
from tests.unit.serving.kit import ITEMS, NAMES, SECRET, chain_bundle, purchase

ANNA = CUSTOMERS.resolve("anna")


class Shop:
    """A running scorer with a model, items and one customer, and a client of it."""

    def __init__(self, client: httpx.Client, home: Path) -> None:
        self.client = client
        self.home = home

    def fetch(self, **query: str) -> dict[str, Any]:
        """One slate: always a 200, within the deadline and some."""
        began = time.monotonic()
        asked = {"customer": "anna", "block": "hero", **query}
        answer = self.client.get(FETCH, params=asked)
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - began < 2
        body: dict[str, Any] = answer.json()
        assert body["count"] == len(body["items"]) == 4
        return body

    def until(self, **wanted: object) -> float:
        """Seconds until an answer has these values."""
        began = time.monotonic()
        while True:
            body = self.fetch()
            if all(body[name] == value for name, value in wanted.items()):
                return time.monotonic() - began
            assert time.monotonic() - began < 15, body
            time.sleep(0.02)


def fill(home: Path, url: str) -> None:
    """The store, and a model on local disk as if MLflow had been there once."""
    stores = open_stores(url)
    stores.catalogue.put_many(ITEMS)
    stores.catalogue.put_shelves({"popular": NAMES})
    stores.profiles.put_many([Profile(ANNA, history_of([purchase(ANNA, "apple", 200)]))])
    stores.close()
    local = LocalVersions(home)
    chain_bundle().save(local.folder("1"))
    local.remember("1")


@contextmanager
def running(home: Path, url: str, **settings: str) -> Iterator[Shop]:
    """A scorer on this store."""
    fill(home, url)
    token = KeyFile(home / "keys.json", SystemClock()).create("test", ["admin"]).token
    given = {
        "HOMING_HOME": str(home),
        "HOMING_SECRET": SECRET,
        "HOMING_STORE_URL": url,
        "HOMING_REFRESH_SECONDS": "0.1",
        **settings,
    }
    key = {"authorization": f"Bearer {token}"}
    with (
        running_scorer(free_port(0), given, home / "scorer.log") as address,
        httpx.Client(base_url=address, headers=key, timeout=10) as client,
    ):
        yield Shop(client, home)


def mapped_libraries(pid: int) -> set[str]:
    """Shared libraries that a process has in its memory."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[-1] for line in maps if ".so" in line}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with running(tmp_path, f"sqlite:///{tmp_path / 'profiles.db'}", HOMING_WORKERS="2") as made:
        yield made


def test_several_processes_are_one_service(shop: Shop) -> None:
    assert shop.fetch()["served_by"] == "model"
    event = {
        "id": "order-1",
        "type": "purchase",
        "customer": "anna",
        "item": "bread",
        "occurred_at": SystemClock().now().isoformat(),
    }
    assert shop.client.post("/v1/events", json=event).status_code == 202
    began = time.monotonic()
    while "bread" in [item["id"] for item in shop.fetch()["items"]]:
        assert time.monotonic() - began < 1.0
    # All blocks of a send at once, from both processes: no item twice.
    with ThreadPoolExecutor(6) as pool:
        for number in range(15):
            blocks = ["hero", "cross_sell"] * 3
            send = f"send-{number}"
            slates = list(pool.map(lambda block: shop.fetch(block=block, send=send), blocks))  # noqa: B023
            shown = {
                block: [item["id"] for item in slate["items"]]
                for block, slate in zip(blocks, slates, strict=True)
            }
            assert len({slate["slate"] for slate in slates}) == 2
            assert not set(shown["hero"]) & set(shown["cross_sell"])
    answers = sum(
        float(line.rpartition(" ")[2])
        for line in shop.client.get("/metrics").text.splitlines()
        if line.startswith("homing_answers_total")
    )
    assert answers > 90


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what is loaded is in /proc")
def test_workers_load_no_library_that_their_parent_has_not_loaded(shop: Shop) -> None:
    assert shop.fetch()["served_by"] == "model"
    [scorer] = [pid for pid in children(os.getpid()) if b"serve" in command_of(pid)]
    workers = [pid for pid in children(scorer) if command_of(pid) == command_of(scorer)]
    assert len(workers) == 2
    for worker in workers:
        assert mapped_libraries(worker) <= mapped_libraries(scorer)


@pytest.mark.parametrize(
    ("host", "why"), [("127.0.0.1", "already in use"), ("no host", "not known")]
)
def test_an_address_that_cannot_be_listened_on_is_told_before_anything_runs(
    tmp_path: Path, host: str, why: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "homing", "serve", "--host", host, "--port", port],
            env={**os.environ, "HOMING_HOME": str(tmp_path), "HOMING_SECRET": SECRET},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"homing: HOMING_HOST {host} and HOMING_PORT {port} can't be listened")
    assert why in line
    assert not list(tmp_path.iterdir())


def test_a_store_whose_file_is_gone_costs_a_rung_and_no_answer(tmp_path: Path) -> None:
    with running(tmp_path, f"sqlite:///{tmp_path / 'profiles.db'}", HOMING_INGEST="false") as shop:
        assert shop.fetch()["served_by"] == "model"
        for file in tmp_path.glob("profiles.db*"):
            file.unlink()
        shop.until(served_by="popular")


def test_a_redis_that_hangs_or_dies_costs_a_rung_and_no_answer(tmp_path: Path) -> None:
    port = free_port(0)
    with redis_server(port=port) as url, running(tmp_path, f"{url}/0") as shop:
        assert shop.fetch()["served_by"] == "model"
        with redis.Redis.from_url(f"{url}/0") as direct:
            direct.execute_command("CLIENT", "PAUSE", "2500", "ALL")
        slate = shop.fetch(send="paused")
        assert (slate["served_by"], slate["reason"]) in {
            ("popular", "deadline"),
            ("popular", "profile store unavailable"),
        }
        assert shop.fetch(send="paused") == slate
        shop.until(served_by="model", reason=None)
        assert shop.fetch(send="paused") == slate
        with redis.Redis.from_url(f"{url}/0") as direct:
            direct.shutdown(nosave=True)
        shop.until(served_by="popular", reason="profile store unavailable")
        with redis_server(port=port):
            fill_again(f"{url}/0")
            shop.until(served_by="model", reason=None)


def fill_again(url: str) -> None:
    """The store after it lost everything."""
    stores = open_stores(url)
    stores.catalogue.put_many(ITEMS)
    stores.profiles.put_many([Profile(ANNA, history_of([purchase(ANNA, "apple", 200)]))])
    stores.close()
