"""A shop in which it can be told from an answer alone whether it may be sent.

Model 1 knows the items with even numbers, model 2 those with odd ones, so that a slate which two
models made shows it. Every tenth item is sold out, every tenth after it withdrawn: no slate may
ever have one, and the shelf of popular items begins with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from features.clock import SystemClock
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.item import Item
from features.profile import Profile, history_of
from features.stores.opening import Stores, open_stores
from serving.keys import KeyFile
from serving.model.bundle import Bundle
from serving.model.registry import LocalVersions
from tests.unit.serving.model.samples import bundle_of

SECRET: Final = "a secret for tests, long enough for a key"
COUNT: Final = 400
CUSTOMERS: Final = 300
NEIGHBOURS: Final = 40
BOUGHT_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
WITHDRAWN_AT: Final = datetime(2025, 1, 1, tzinfo=UTC)
SIZES: Final = {"hero": 4, "cross_sell": 6, "again": 3, "strip": 12}
"""Block → items of its slate."""
RULES: Final = {"cross_sell": "category_cap = 2\nbrand_cap = 3", "again": "allow_repeats = true"}

_KEYS = CustomerKeys(SECRET.encode())


def item_id(number: int) -> str:
    """Of the catalogue."""
    return f"item-{number:03d}"


def static_id(block: str, place: int) -> str:
    """Of a block's static answer."""
    return f"static-{block}-{place}"


def customer_id(number: int) -> str:
    """As a template writes it."""
    return f"customer-{number}"


def bought(number: int) -> frozenset[str]:
    """What a customer owns: six items, three of each model."""
    return frozenset(item_id((37 * number + step) % COUNT) for step in range(20, 26))


def showable(number: int) -> bool:
    """Whether a slate may have that item."""
    return number % 10 > 1


ELIGIBLE: Final = frozenset(
    {item_id(number) for number in range(COUNT) if showable(number)}
    | {static_id(block, place) for block, size in SIZES.items() for place in range(size)}
)
"""Items that an answer may show at all."""


def items(edition: int = 1) -> list[Item]:
    """The whole catalogue; another edition of it has other prices."""
    return [
        Item(
            id=item_id(number),
            title=f"Item {number}",
            url=f"https://shop.example/{number}",
            image_url=f"https://shop.example/{number}.jpg",
            price=float(edition),
            currency="GBP",
            categories=("all", f"group {number % 13}"),
            brand=f"brand {number % 7}",
            in_stock=number % 10 != 0,
            available_until=WITHDRAWN_AT if number % 10 == 1 else None,
        )
        for number in range(COUNT)
    ]


def bundle(version: int) -> Bundle:
    """Item-to-item weights over every second item: who has one wants those after it."""
    known = [number for number in range(COUNT) if number % 2 != version % 2]
    count = len(known)
    near = [(row + step) % count for row in range(count) for step in range(1, NEIGHBOURS + 1)]
    return bundle_of(
        "item_knn",
        tuple(item_id(number) for number in known),
        arrays={
            "neighbour_starts": np.arange(0, (count + 1) * NEIGHBOURS, NEIGHBOURS, dtype=np.int32),
            "neighbours": np.array(near, np.int32),
            "similarities": np.tile(1 / np.arange(1, NEIGHBOURS + 1, dtype=np.float32), count),
        },
    )


def model_of(number: int) -> str:
    """The model that knows that item, as answers name it."""
    return f"recommender/{1 if number % 2 == 0 else 2}"


def fill(url: str, edition: int = 1) -> None:
    """Put catalogue, shelves and profiles into the store."""
    stores = open_stores(url)
    refill(stores, edition)
    stores.close()


def refill(stores: Stores, edition: int = 1) -> None:
    """The same, into stores that are open."""
    stores.catalogue.put_many(items(edition))
    stores.catalogue.put_shelves({"popular": tuple(item_id(number) for number in range(60))})
    stores.profiles.put_many(_profiles())


def prepare(home: Path) -> str:
    """What a scorer needs on its disk besides stores: model 1 and blocks; returns a key's token."""
    local = LocalVersions(home)
    bundle(1).save(local.folder("1"))
    local.remember("1")
    (home / "blocks.toml").write_text("\n".join(_block(name) for name in SIZES))
    return KeyFile(home / "keys.json", SystemClock()).create("load", ["admin"]).token


def _block(name: str) -> str:
    lines = [f"[{name}]", f"size = {SIZES[name]}", RULES.get(name, "")]
    for place in range(SIZES[name]):
        lines += [f"[[{name}.items]]", f'id = "{static_id(name, place)}"', 'title = "A gift"']
    return "\n".join([*lines, ""])


def _profiles() -> Iterator[Profile]:
    for number in range(CUSTOMERS):
        key = _KEYS.resolve(customer_id(number))
        yield Profile(key, history_of(_purchase(key, item) for item in bought(number)))


def _purchase(customer: str, item: str) -> Event:
    return Event(
        id=f"{customer}-{item}",
        type=EventType.PURCHASE,
        customer=customer,
        occurred_at=BOUGHT_AT,
        item=item,
    )
