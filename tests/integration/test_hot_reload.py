"""Bundle, catalogue and blocks are swapped under load: no request fails, and no slate is a mix."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from features.item import Item
from serving.model.bundle import Bundle
from serving.ranking.blocks import Block
from serving.warming import warm_up
from tests.integration.web import CUSTOMERS, FETCH, Web
from tests.unit.serving.kit import NAMES, NOW, STATIC, chain_bundle

SECONDS = 3.0
ROUNDS = 6
"""Of swaps of all three, at least."""
CLIENTS = 12
KINDS = ("odd", "even")
"""Odd versions of the model know other items than even ones."""
BLOCKS = {
    # Of the two items that a model recommends the second alone is sweet.
    1: Block(name="hero", size=1, categories=("sweet",), items=STATIC),
    2: Block(name="hero", size=2, items=STATIC),
}


def names(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind} {name}" for name in NAMES)


def bundle(kind: str) -> Bundle:
    made = chain_bundle()
    return Bundle(made.manifest, names(kind), made.arrays)


def catalogue(version: int) -> list[Item]:
    """Every item bears the catalogue's version in its title."""
    return [
        Item(id=item, title=f"v{version}", categories=("sweet",) if place == 2 else ("sour",))
        for kind in KINDS
        for place, item in enumerate(names(kind))
    ]


def swap(web: Web, ended: threading.Event, stopped: threading.Event) -> Counter[str]:
    """Swap all three again and again until it is ended; how often."""
    kit, done = web.kit, Counter[str]()
    for version in count(2):
        if ended.is_set() and version > 3 * ROUNDS:
            stopped.set()
            return done
        if version % 3 == 0:
            kit.promote(str(version), bundle(KINDS[version % 2 - 1]))
            done["model"] += 1
        elif version % 3 == 1:
            kit.catalogue.put_many(catalogue(version))
            kit.parts.catalogue.look()
            done["catalogue"] += 1
        else:
            kit.parts.current.use_blocks({"hero": BLOCKS[1 + version % 2]})
            done["blocks"] += 1
    return done


def mixed(body: dict[str, Any]) -> str | None:
    """What is wrong with a slate."""
    shown = [item["id"] for item in body["items"]]
    if body["served_by"] != "model" or body["count"] not in BLOCKS:
        return f"not the model's: {body['served_by']} {body['reason']}"
    kind = KINDS[int(body["model"].partition("/")[2]) % 2 - 1]
    of_block = {1: (2,), 2: (1, 2)}[body["count"]]
    if shown != [names(kind)[place] for place in of_block]:
        return f"{shown} of {body['model']} in a block of {body['count']}"
    return None if len({item["title"] for item in body["items"]}) == 1 else "titles of two versions"


async def ask(web: Web, ended: Callable[[], bool]) -> Counter[str]:
    """Many clients at once; what is wrong with their slates, and how many are right."""
    found = Counter[str]()
    number = count()
    transport = httpx.ASGITransport(web.app)

    async def run(client: httpx.AsyncClient, *, send: bool) -> None:
        while not ended():
            query = {"customer": "anna", "block": "hero"}
            if send:
                query["send"] = f"send {next(number)}"
            answer = await client.get(FETCH, params=query)
            wrong = mixed(answer.json()) if answer.status_code == 200 else answer.text
            found[wrong or "right"] += 1

    key = {"authorization": f"Bearer {web.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers=key) as client:
        await asyncio.gather(*(run(client, send=bool(one % 2)) for one in range(CLIENTS)))
    return found


def test_a_swap_fails_no_request_and_mixes_no_slate(tmp_path: Path) -> None:
    web = Web(tmp_path)
    web.kit.parts.current._before = lambda snapshot: warm_up(snapshot, NOW)
    web.kit.parts.current.use_blocks({"hero": BLOCKS[2]})
    web.kit.stock(*catalogue(1))
    web.kit.promote("1", bundle("odd"))
    web.kit.know(CUSTOMERS.resolve("anna"), "odd apple", "even apple")
    ended, stopped, swaps = threading.Event(), threading.Event(), Counter[str]()
    swapping = threading.Thread(target=lambda: swaps.update(swap(web, ended, stopped)))
    timer = threading.Timer(SECONDS, ended.set)
    for thread in (swapping, timer):
        thread.start()
    found = asyncio.run(ask(web, stopped.is_set))
    for thread in (swapping, timer):
        thread.join()
    web.kit.service.stop()
    assert set(found) == {"right"}
    assert found["right"] > 100
    assert min(swaps[name] for name in ("model", "catalogue", "blocks")) >= 5
