"""Overrides in force: what persons decided about items, as a slate has to obey it.

A ban takes an item out of every slate. A boost raises one by places, not by score: scores of
different models are on different scales, and lower rungs have none. A pin puts one where it was
said. Nothing here makes a slate shorter, and no override shows what may not be shown.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple

from features.item import Item
from features.override import Action, Override
from features.profile import History
from serving.ranking.blocks import Block
from serving.ranking.chain import blocked_items
from serving.ranking.columns import microseconds

MOST_SCOPES: Final = 10_000
"""Blocks and segments whose orders are remembered, before all are worked out again."""
_ROUNDING: Final = 1e-9
"""A strength is written as a decimal fraction: 0.1 of 10 places is one, whatever floats make of it.
"""


@dataclass(frozen=True)
class Orders:
    """The overrides that concern one block for one segment at one moment.

    No item is in two of them: a ban goes before a pin, and a pin before a boost; of several of the
    same kind for an item the youngest counts.

    Attributes:
        banned: Items that must not come.
        pins: Item → its place, from 1; the younger before the older.
        boosts: Item → by which part of the slate's length it is raised.
    """

    banned: frozenset[str]
    pins: Mapping[str, int]
    boosts: Mapping[str, float]

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.banned or self.pins or self.boosts)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The items that are to be brought in."""
        return (*self.pins, *self.boosts)

    @property
    def closed(self) -> frozenset[str]:
        """The items that no ranking has to bring: those that must not come, or have their place."""
        return self.banned.union(self.pins)


NO_ORDERS: Final = Orders(frozenset(), {}, {})


class Overrides:
    """All overrides there are, ready to be asked.

    Args:
        overrides: In any order.
        version: As the catalogue has it.

    Attributes:
        by_segment: Whether one must know a customer's segment to know what is in force.
    """

    def __init__(self, overrides: Iterable[Override] = (), version: int = -1) -> None:
        self.all = tuple(overrides)
        self.version = version
        self.by_segment = any(one.segment is not None for one in self.all)
        self._edges = sorted({edge for one in self.all for edge in _edges(one)})
        self._known: dict[tuple[str | None, str | None, int], Orders] = {}

    def orders(self, block: str | None, segment: str | None, now: datetime) -> Orders:
        """What is in force.

        Args:
            block: Its name; None for an answer of no block, which only overrides of all concern.
            segment: The customer's; None for one who has none.
            now: Aware.
        """
        if not self.all:
            return NO_ORDERS
        scope = block, segment, bisect_right(self._edges, microseconds(now))
        found = self._known.get(scope)
        if found is None:
            if len(self._known) >= MOST_SCOPES:
                self._known = {}
            concerned = (one for one in self.all if _concerns(one, block, segment))
            found = _orders([one for one in concerned if one.in_force(now)])
            self._known[scope] = found
        return found

    def concerns(self, block: str | None, segment: str | None, now: datetime) -> bool:
        """Whether any override is in force there."""
        return bool(self.all) and self.orders(block, segment, now).any

    def banned(self, item: str, block: str | None, segment: str | None, now: datetime) -> bool:
        """Whether the item must not be shown there."""
        return bool(self.all) and item in self.orders(block, segment, now).banned

    def changed_between(self, earlier: int, later: int) -> bool:
        """Whether an override began or ended after one moment and not after the other.

        Both in microseconds since 1970.
        """
        return bisect_right(self._edges, later) > bisect_right(self._edges, earlier)


NO_OVERRIDES: Final = Overrides()


class Arranged(NamedTuple):
    """An item of a slate after its orders.

    Attributes:
        item: Its id.
        before: Where it was without them, from 1; None when it was not there.
        orders: What put it before others, or others before it.
    """

    item: str
    before: int | None
    orders: tuple[Action, ...]


def able_items(
    items: Iterable[Item], block: Block, history: History, now: datetime
) -> frozenset[str]:
    """Which of some items overrides may bring into a slate: those that the chain would let come.

    Args:
        items: As they are drawn.
        block: Whose rules count; its static items need not be of its categories.
        history: What the customer owns and just bought.
        now: Aware.
    """
    blocked = blocked_items(block, history, now)
    static = {item.id for item in block.items}
    return frozenset(
        item.id
        for item in items
        if item.id not in blocked
        and item.available_at(now)
        and (item.id in static or _is_of(block, item))
    )


def arranged(
    items: Sequence[str], orders: Orders, size: int, able: Collection[str]
) -> list[Arranged]:
    """A slate as its orders want it.

    Args:
        items: Best first, without those that are pinned or banned.
        orders: What is in force.
        size: The length of the block's slate.
        able: Those pinned and boosted items that may be shown.

    Returns:
        All of the items, and those that were brought in.
    """
    pins = {item: place for item, place in orders.pins.items() if item in able}
    boosts = {item: part for item, part in orders.boosts.items() if item in able}
    boosted = raised(items, boosts, size)
    final = put_in(boosted, pins, size)
    before = {item: place for place, item in enumerate(items, start=1)}
    middle = {item: place for place, item in enumerate(boosted, start=1)}
    # What moved to and fro has not moved: `before` may be its place again.
    return [
        Arranged(item, before.get(item), _moved_by(place, middle.get(item), before.get(item)))
        for place, item in enumerate(final, start=1)
    ]


def raised(items: Sequence[str], boosts: Mapping[str, float], size: int) -> list[str]:
    """A slate with boosted items further up: each by its strength times the slate's length places.

    One that the slate would not show counts as the first behind it. So a strength of 1 brings any
    item to the top, and the least brings it into the slate's last place.

    Args:
        items: Best first.
        boosts: Item → strength, above 0 to 1.
        size: The length of the block's slate.
    """
    if not boosts:
        return list(items)
    places = {item: place for place, item in enumerate(items, start=1)}
    wanted: dict[str, tuple[int, int, float]] = {
        item: (place, 1, place) for item, place in places.items()
    }
    for item, strength in boosts.items():
        place = min(places.get(item, size + 1), size + 1)
        target = max(1, place - math.ceil(strength * size - _ROUNDING))
        wanted[item] = (target, 0, place)
    return sorted(wanted, key=lambda item: (*wanted[item], item))


def put_in(items: Sequence[str], pins: Mapping[str, int], size: int) -> list[str]:
    """A slate with pinned items at their places.

    A place that the slate does not have is its last; one that is taken gives way to the next that
    is free, and else to the last before it.

    Args:
        items: Best first, none of them pinned.
        pins: Item → place, from 1; the first has the better right to it.
        size: The length of the block's slate.
    """
    taken: dict[int, str] = {}
    for item, place in pins.items():
        wanted = min(place, size)
        places = (*range(wanted, size + 1), *range(wanted - 1, 0, -1))
        free = next((one for one in places if one not in taken), None)
        if free is not None:
            taken[free] = item
    left = list(items)
    slate: list[str] = []
    for place in sorted(taken):
        between = place - 1 - len(slate)
        slate += left[:between]
        del left[:between]
        slate.append(taken[place])
    return slate + left


def _is_of(block: Block, item: Item) -> bool:
    names = set(item.categories)
    wanted = not block.categories or not names.isdisjoint(block.categories)
    return wanted and names.isdisjoint(block.exclude_categories)


def _concerns(override: Override, block: str | None, segment: str | None) -> bool:
    return override.block in {None, block} and override.segment in {None, segment}


def _orders(overrides: Sequence[Override]) -> Orders:
    of_action: defaultdict[Action, dict[str, Override]] = defaultdict(dict)
    for override in sorted(overrides, key=attrgetter("created_at", "id"), reverse=True):
        of_action[override.action].setdefault(override.item, override)
    banned = frozenset(of_action[Action.BAN])
    pins = {
        item: override.position or 1
        for item, override in of_action[Action.PIN].items()
        if item not in banned
    }
    boosts = {
        item: override.strength or 1.0
        for item, override in of_action[Action.BOOST].items()
        if item not in banned and item not in pins
    }
    return Orders(banned, pins, boosts)


def _moved_by(place: int, middle: int | None, before: int | None) -> tuple[Action, ...]:
    """What moved an item: pins from the place that it had after boosts, boosts from that before."""
    pinned = (Action.PIN,) if middle != place else ()
    boosted = (Action.BOOST,) if middle is not None and middle != before else ()
    return pinned + boosted if before != place else ()


def _edges(override: Override) -> list[int]:
    edges = (override.starts_at, override.ends_at)
    return [microseconds(edge) for edge in edges if edge is not None]
