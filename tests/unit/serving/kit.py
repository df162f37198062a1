"""A scorer of a few items in memory, and the things that can go wrong with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from features.clock import FixedClock
from features.errors import RegistryUnavailable, StoreUnavailable
from features.event import Event, EventType
from features.item import Item
from features.profile import Profile, Published, StoredSlate, history_of
from features.sources.opening import open_sources
from features.stores.opening import Stores, open_log, open_stores
from serving.blocks_file import BlocksFollower
from serving.breaker import Breaker
from serving.exposures import Exposures
from serving.keys import KeyFile
from serving.local_catalogue import LocalCatalogue
from serving.metrics import Metrics
from serving.model.bundle import Bundle
from serving.model.registry import LocalVersions
from serving.overrides import OverrideFollower
from serving.parts import Parts
from serving.ranking.blocks import Block
from serving.readiness import Readiness
from serving.refresh import CatalogueFollower
from serving.reload import ModelFollower
from serving.service import Service
from serving.settings import ServeSettings
from serving.slate import Ask, Slate
from serving.snapshot import Current
from tests.unit.serving.model.samples import bundle_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a secret for tests, long enough for a key"
ANNA = "ck_" + "a" * 32
BERT = "ck_" + "b" * 32
NAMES = ("apple", "bread", "cream", "dates", "eggs", "flour")
ITEMS = tuple(
    Item(id=name, title=name.title(), price=1.0 + place, currency="GBP", categories=("food",))
    for place, name in enumerate(NAMES)
)
STATIC = tuple(Item(id=f"static-{number}", title=f"Static {number}") for number in range(3))
HERO = Block(name="hero", size=2, items=STATIC)
SECOND = Block(name="second", size=2, items=STATIC)
AGAIN = Block(name="again", size=2, allow_repeats=True, items=STATIC)
BLOCKS = {block.name: block for block in (HERO, SECOND, AGAIN)}


def chain_bundle() -> Bundle:
    """Item-to-item weights: who has one item wants the next in the alphabet, then the one after."""
    count = len(NAMES)
    starts, near, weights = [0], [], []
    for row in range(count):
        for step in (1, 2):
            if row + step < count:
                near.append(row + step)
                weights.append(1.0 / step)
        starts.append(len(near))
    return bundle_of(
        "item_knn",
        NAMES,
        arrays={
            "neighbour_starts": np.array(starts, np.int32),
            "neighbours": np.array(near, np.int32),
            "similarities": np.array(weights, np.float32),
        },
    )


@dataclass
class FakeRegistry:
    """A registry of bundles that can be down."""

    home: Path
    alias: str | None = None
    down: bool = False
    bundles: dict[str, Bundle] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def champion(self) -> str | None:
        """The alias's version."""
        if self.down:
            message = "the registry is down"
            raise RegistryUnavailable(message)
        return self.alias

    def fetch(self, version: str) -> Path:
        """The bundle's folder, saved unless it is there."""
        folder = LocalVersions(self.home).folder(version)
        if folder.is_dir():
            return folder
        if self.down or version not in self.bundles:
            message = "the registry is down"
            raise RegistryUnavailable(message)
        self.fetched.append(version)
        self.bundles[version].save(folder)
        return folder


class Faulty:
    """A port in front of another, whose calls fail while told to.

    Args:
        inner: What answers otherwise.
    """

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.fault: Callable[[], None] | None = None
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for any port
        method = getattr(self.inner, name)

        def call(*arguments: object, **named: object) -> object:
            self.calls.append(name)
            if self.fault is not None and name != "close":
                self.fault()
            return method(*arguments, **named)

        return call


def refuse() -> None:
    """What a store does that is down."""
    message = "the store is down"
    raise StoreUnavailable(message)


@dataclass
class Kit:
    """A service with its parts, and the switches of its faults."""

    service: Service
    parts: Parts
    profiles: Faulty
    catalogue: Faulty
    pins: Faulty
    lookup: Faulty
    log: Faulty
    registry: FakeRegistry
    clock: FixedClock

    def fail(self, fault: Callable[[], None] | None = refuse) -> None:
        """Let every part of the store fail in this way from now on; None mends it."""
        for port in (self.profiles, self.catalogue, self.pins, self.lookup):
            port.fault = fault

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the store hang; those who hang go on, to an error, when the block ends."""
        release = threading.Event()

        def hang() -> None:
            release.wait(20)
            refuse()

        self.fail(hang)
        try:
            yield
        finally:
            release.set()
            self.fail(None)

    def promote(self, version: str, bundle: Bundle | None = None) -> None:
        """Make a version the champion, and let the process look."""
        self.registry.bundles[version] = bundle or chain_bundle()
        self.registry.alias = version
        self.parts.model.look()

    def stock(self, *items: Item, popular: tuple[str, ...] = NAMES) -> None:
        """Fill the catalogue, and let the process look."""
        self.catalogue.put_many(items or ITEMS)
        self.catalogue.put_shelves({"popular": popular})
        self.parts.catalogue.look()

    def configure(self, block: Block) -> None:
        """Add a block, or replace the one of its name."""
        current = self.parts.current
        current.use_blocks({**current.snapshot.blocks, block.name: block})

    def know(self, customer: str, *bought: str, published: Published | None = None) -> None:
        """Let the store know a customer who bought these items, a day apart, the last first."""
        events = [purchase(customer, item, days) for days, item in enumerate(bought, start=200)]
        profile = Profile(customer, history_of(events), published or Published())
        self.profiles.put_many([profile])


def purchase(customer: str, item: str, days_ago: float = 0) -> Event:
    """A purchase so long ago."""
    at = NOW - timedelta(days=days_ago)
    name = f"{customer}-{item}-{days_ago}"
    return Event(id=name, type=EventType.PURCHASE, customer=customer, occurred_at=at, item=item)


def slates(**stored: tuple[str, ...]) -> Published:
    """A published half with these slates, in segment `loyal`."""
    made = {block: StoredSlate(items, "recommender/7") for block, items in stored.items()}
    return Published(at=1, segment="loyal", slates=made)


def make_kit(
    home: Path,
    environ: Mapping[str, str] | None = None,
    **settings: Any,  # noqa: ANN401 - any setting
) -> Kit:
    """A service over an empty store, without a model, that does not run by itself."""
    given = {"deadline_ms": 5_000, "start_seconds": 0.5, "refresh_seconds": 0.05, **settings}
    chosen = ServeSettings(home=home, secret=SECRET, **given)
    clock, metrics, current, breaker = FixedClock(NOW), Metrics(), Current(BLOCKS), Breaker()
    opened = open_stores("memory://", clock)
    profiles, catalogue = Faulty(opened.profiles), Faulty(opened.catalogue)
    pins, log = Faulty(opened.pins), Faulty(open_log("memory://", clock))
    lookup = Faulty(opened.lookup)
    stores = Stores(profiles, catalogue, pins, lookup, opened.close)
    registry = FakeRegistry(home)
    parts = Parts(
        settings=chosen,
        stores=stores,
        log=log,
        sources=open_sources(chosen, environ or {}),
        exposures=Exposures(log, metrics),
        current=current,
        breaker=breaker,
        catalogue=CatalogueFollower(
            stores, current, breaker, LocalCatalogue(home / "catalogue"), metrics
        ),
        model=ModelFollower(registry, LocalVersions(home), current, metrics),
        overrides=OverrideFollower(catalogue, current, home / "overrides.msgpack", clock, metrics),
        blocks_file=BlocksFollower(chosen.blocks_file, current, metrics),
        readiness=Readiness(chosen.drain_seconds),
        keys=KeyFile(home / "keys.json", clock),
        clock=clock,
        metrics=metrics,
    )
    ports = profiles, catalogue, pins, lookup
    return Kit(Service(parts), parts, *ports, log, registry, clock)


def ask(
    kit: Kit,
    send: str | None = "monday",
    block: str = "hero",
    n: int | None = None,
    who: str = ANNA,
) -> Slate:
    """The slate that a template gets."""
    return asyncio.run(kit.service.recommend(Ask(customer=who, block=block, send=send, n=n)))


def ids(slate: Slate) -> list[str]:
    """The items of a slate."""
    return [item.id for item in slate.items]


def metric(kit: Kit, name: str, **labels: str) -> float:
    """What was counted so far."""
    return kit.parts.metrics.registry.get_sample_value(name, labels) or 0.0


def ask_many(kit: Kit, asks: Sequence[Ask]) -> list[Slate]:
    """The slates of a batch."""
    return [answer.slate for answer in asyncio.run(kit.service.answer_many(asks))]
