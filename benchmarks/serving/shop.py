"""A made shop for a scorer: the same on every run, as large as a benchmark wants it.

Its customers come in two kinds. What was published for the *settled* is current, so that their
stored slates may be sent as they are; the *changed* did something since, so that their slates must
be scored. Stored slates are drawn by lot, from what the block may show: no scoring could give them,
so that an answer tells which of the two it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.clock import SystemClock
from features.event import EventType
from features.identity import CustomerKeys
from features.item import Item
from features.profile import (
    History,
    Interaction,
    Profile,
    Published,
    Spoken,
    StoredSlate,
    event_digest,
)
from features.profile_codec import encode, exposed_digest, history_digest
from features.stores.codec import items_digest
from features.stores.opening import open_stores
from serving.catalogue import POPULAR
from serving.keys import KeyFile, Scope
from serving.model.als import ALGORITHM, ALPHA, FACTORS, REGULARIZATION
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.manifest import DataFacts
from serving.model.registry import LocalVersions
from serving.model.weighting import Weighting
from serving.ranking.blocks import block_digest, load_blocks

AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
"""When everything was published."""
SECRET: Final = "a secret that benchmarks share, and nothing else"  # noqa: S105 - guards nothing
VERSION: Final = "1"
MODEL: Final = f"recommender/{VERSION}"
BLOCK: Final = "hero"
SIZE: Final = 4
SPARE: Final = 3
"""A stored slate holds so many times the block's size, as `homing publish` keeps it."""
WIDTH: Final = 64
INTERACTIONS: Final = 50
DEPARTMENTS: Final = 12
SHOWN: Final = 9
"""Departments that the block shows, of those."""
SECTIONS: Final = 8
"""In a department."""
TASTES: Final = 300
LENGTHS: Final = 0.4
"""Power of an item's popularity that its vector's length goes by."""
_KEPT: Final = "shop.msgpack"
_DAY: Final = 24 * 3_600
_SHELF: Final = 200
_WORDS: Final = (
    ("Enamel", "Linen", "Walnut", "Copper", "Wool", "Glass", "Rattan", "Cotton"),
    ("kettle", "apron", "lantern", "throw", "planter", "tray", "basket", "clock"),
    ("cream", "forest green", "slate", "mustard", "sky blue", "rose", "charcoal", "natural"),
)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shop:
    """A home that `homing serve` can be started on.

    Attributes:
        home: `HOMING_HOME`.
        token: An API key that may fetch.
        settled: Outside ids of customers whose published slates are current.
        changed: Outside ids of customers who did something since.
        slates: The block's stored slate of each settled customer, item ids.
    """

    home: Path
    token: str
    settled: Sequence[str]
    changed: Sequence[str]
    slates: Sequence[Sequence[str]]

    def environment(self) -> dict[str, str]:
        """Settings of a scorer that only answers."""
        return {
            "HOMING_HOME": str(self.home),
            "HOMING_SECRET": SECRET,
            "HOMING_BLOCKS_FILE": str(self.home / "blocks.toml"),
            "HOMING_INGEST": "false",
            "HOMING_START_SECONDS": "600",
        }


def make_shop(home: Path, items: int, settled: int, changed: int) -> Shop:
    """Fill a home; one that was filled by the same call before is taken as it is.

    Args:
        home: Folder; made when it is not there.
        items: In the catalogue and in the model.
        settled: Customers whose stored slates are current.
        changed: Customers whose are not.
    """
    kept = home / _KEPT
    if not kept.exists():
        home.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgspec.msgpack.encode(_fill(home, items, settled, changed)))
    return open_shop(home)


def open_shop(home: Path) -> Shop:
    """The shop that fills a home."""
    kept = (home / _KEPT).read_bytes()
    return msgspec.msgpack.decode(kept, type=Shop, dec_hook=lambda _, path: Path(path))


def _fill(home: Path, items: int, settled: int, changed: int) -> dict[str, Any]:
    random = np.random.default_rng(items)
    catalogue = make_items(items)
    (home / "blocks.toml").write_text(_blocks())
    bundle = make_model(random, [item.id for item in catalogue])
    local = LocalVersions(home)
    bundle.save(local.folder(VERSION))
    local.remember(VERSION)
    names = [f"customer-{number}" for number in range(settled + changed)]
    profiles = _Profiles(random, catalogue, bundle.popularity, home)
    made = [profiles.make(name, current=place < settled) for place, name in enumerate(names)]
    with closing(open_stores(f"sqlite:///{home / 'profiles.db'}")) as stores:
        stores.catalogue.put_many(catalogue)
        best = np.argsort(-bundle.popularity)[:_SHELF]
        stores.catalogue.put_shelves({POPULAR: [catalogue[row].id for row in best]})
        stores.profiles.put_many(made)
    key = KeyFile(home / "keys.json", SystemClock()).create("load", [Scope.RECOMMEND])
    return {
        "home": str(home),
        "token": key.token,
        "settled": names[:settled],
        "changed": names[settled:],
        "slates": [one.published.slates[BLOCK].items for one in made[:settled]],
    }


def make_items(count: int) -> list[Item]:
    """A catalogue of everything that rules read: some items are out of stock, some not on sale."""
    random = Random(count)  # noqa: S311 - makes items
    return [_item(number, random) for number in range(count)]


def make_model(random: np.random.Generator, items: Sequence[str]) -> Bundle:
    """ALS whose items lie around tastes, the more popular farther out.

    Of 68,000 items the 100th longest is .34 of the longest, the 1,000th .14, the 5,000th .07: as in
    ALS that was fitted to The Complete Journey (.48, .24, .12) and to Gowalla (.24, .09, .04).
    """
    count = len(items)
    wanted = random.permutation(1.0 / np.arange(10.0, count + 10.0)).astype(np.float32)
    taste = random.normal(size=(TASTES, WIDTH)).astype(np.float32)
    factors = taste[random.integers(TASTES, size=count)]
    factors += random.normal(scale=0.7, size=(count, WIDTH)).astype(np.float32)
    factors *= (0.02 * (wanted / wanted.min()) ** LENGTHS)[:, None]
    facts = DataFacts(
        as_of=AT,
        events=30 * count,
        customers=count,
        items=count,
        interactions=INTERACTIONS * count,
        checksum="0" * 64,
    )
    return make_bundle(
        algorithm=ALGORITHM,
        params={ALPHA: 1.0, REGULARIZATION: 0.05},
        weighting=Weighting(),
        items=items,
        arrays={FACTORS: factors, POPULARITY: wanted},
        data=facts,
        created_at=AT,
    )


def _item(number: int, random: Random) -> Item:
    department = number % DEPARTMENTS
    section = f"section {department}.{random.randrange(SECTIONS)}"
    lot = random.random()
    title = " ".join(random.choice(words) for words in _WORDS)
    return Item(
        id=f"sku-{number:07}",
        title=f"{title} {number}",
        url=f"https://shop.example/p/{title.lower().replace(' ', '-')}-{number}",
        image_url=f"https://images.shop.example/640/{number:07}.jpg",
        price=round(random.uniform(2.0, 120.0), 2),
        currency="GBP",
        categories=(f"department {department}", section, f"{section}.{random.randrange(10)}"),
        brand=f"brand {random.randrange(500)}",
        in_stock=lot > 0.05,  # noqa: PLR2004 - one in twenty is sold out
        available_from=AT + timedelta(days=36_500) if 0.05 < lot < 0.07 else None,  # noqa: PLR2004
        available_until=AT - timedelta(days=30) if 0.07 < lot < 0.10 else None,  # noqa: PLR2004
        attributes={"colour": title.split()[-1]},
    )


def _blocks() -> str:
    shown = [f"department {number}" for number in range(SHOWN)]
    lines = [
        f"[{BLOCK}]",
        f"size = {SIZE}",
        "repeat_after_days = 90.0",
        f"categories = {shown}",
        f"exclude_categories = {['section 0.0', 'section 1.1']}",
    ]
    for number in range(SIZE):
        lines += [f"[[{BLOCK}.items]]", f'id = "static-{number}"', f'title = "Static {number}"']
    return "\n".join([*lines, ""])


class _Profiles:
    """Makes customers."""

    def __init__(
        self, random: np.random.Generator, catalogue: Sequence[Item], wanted: Floats, home: Path
    ) -> None:
        self._random = random
        self._items = [item.id for item in catalogue]
        self._chances = np.cumsum(wanted / wanted.sum(dtype=np.float64))
        self._keys = CustomerKeys(SECRET.encode())
        block = load_blocks(home / "blocks.toml")[BLOCK]
        self._blocks = {BLOCK: block_digest(block)}
        self._catalogue = items_digest(catalogue)
        self._showable = {
            item.id
            for item in catalogue
            if item.available_at(AT)
            and set(item.categories) & set(block.categories)
            and not set(item.categories) & set(block.exclude_categories)
        }

    def make(self, name: str, *, current: bool) -> Profile:
        """One customer; what was published is current, or was before the last event."""
        history = self._history(name)
        slate = self._slate(history)
        spoken, stored = history.interactions[-1], encode(history)
        published = Published(
            at=int(AT.timestamp()),
            segment="loyal",
            features={f"feature_{step}": round(self._random.random(), 6) for step in range(12)},
            scores={"churn": 0.25},
            bands={"churn": "low"},
            slates={
                BLOCK: StoredSlate(slate, MODEL, (Spoken(spoken.type, spoken.item),) * len(slate))
            },
            models={"recommender": VERSION},
            history=history_digest(stored) if current else 1,
            exposed=exposed_digest(stored),
            catalogue=self._catalogue,
            blocks=self._blocks,
        )
        return Profile(self._keys.resolve(name), history, published)

    def _history(self, name: str) -> History:
        """Of so many interactions in the year before, three in five of them purchases."""
        rows = np.searchsorted(self._chances, self._random.random(INTERACTIONS))
        end = int(AT.timestamp()) - _DAY
        done = tuple(
            Interaction(
                end - 7 * _DAY * (INTERACTIONS - step),
                event_digest(f"{name}:{step}"),
                self._items[min(row, len(self._items) - 1)],
                EventType.PURCHASE if step % 5 < 3 else EventType.VIEW,  # noqa: PLR2004 - as said
            )
            for step, row in enumerate(rows.tolist())
        )
        bought = {one.item: one.at for one in done if one.type is EventType.PURCHASE}
        latest = {EventType.PURCHASE: done[-3].at, EventType.VIEW: done[-1].at}
        return History(done, bought, {}, {str(kind): at for kind, at in latest.items()})

    def _slate(self, history: History) -> tuple[str, ...]:
        """Drawn as purchases are: what is recommended is what sells, some of it far more."""
        owned = history.owned()
        some = np.searchsorted(self._chances, self._random.random(8 * SIZE * SPARE))
        any_of_all = self._random.integers(len(self._items), size=8 * SIZE * SPARE)
        drawn = (self._items[min(row, len(self._items) - 1)] for row in (*some, *any_of_all))
        found = dict.fromkeys(item for item in drawn if item in self._showable)
        return tuple(item for item in found if item not in owned)[: SIZE * SPARE]
