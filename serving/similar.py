"""Items like an item: for a page about one, where there is no customer to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from features.errors import NotFound
from features.item import Item
from serving.catalogue import POPULAR
from serving.slate import Rung, SlateItem, draw
from serving.snapshot import Snapshot

_SPARE = 4
"""Neighbours asked for, as a multiple of those wanted: some can't be shown."""


class Similar(msgspec.Struct, frozen=True, kw_only=True):
    """Items like an item.

    Attributes:
        item: The item that was asked for.
        served_by: `model`, or `popular` where the model has nothing to say.
        model: The version that ranked; None on another rung.
        count: How many there are.
        items: Best first.
    """

    item: str
    served_by: Rung
    model: str | None
    count: int
    items: tuple[SlateItem, ...]


def similar_items(snapshot: Snapshot, item: str, count: int, now: datetime) -> Similar:
    """The items most like one that a mail of that moment may show.

    Raises:
        NotFound: Neither the model nor the catalogue knows the item.
    """
    catalogue: Mapping[str, Item] = {} if snapshot.catalogue is None else snapshot.catalogue.items
    model = snapshot.model
    row = None if model is None else model.bundle.index.get(item)
    if row is None and item not in catalogue:
        reason, cure = "no such item", "add it with PUT /v1/items"
        raise NotFound.of(item, field="item", reason=reason, cure=cure)
    if model is not None and row is not None:
        found = list(_neighbours(snapshot, row, count, now))
        if found:
            return _similar(item, Rung.MODEL, model.name, found)
    shelf = _popular_alike(snapshot, item, now)
    return _similar(item, Rung.POPULAR, None, list(shelf)[:count])


def _neighbours(snapshot: Snapshot, row: int, count: int, now: datetime) -> Iterator[Item]:
    """What the model finds alike, as far as it can be shown."""
    model, copy = snapshot.model, snapshot.catalogue
    if model is None or copy is None:
        return
    rows, _ = model.scorer.similar(row, min(_SPARE * count, len(model.bundle.items)))
    shown = 0
    for near in rows.tolist():
        item = copy.items.get(model.bundle.items[near])
        if item is not None and _may_show(snapshot, item, now):
            yield item
            shown += 1
        if shown == count:
            return


def _popular_alike(snapshot: Snapshot, item: str, now: datetime) -> Iterator[Item]:
    """The popular items that share the item's narrowest category."""
    copy = snapshot.catalogue
    if copy is None or item not in copy.items or POPULAR not in copy.shelves:
        return
    category = copy.items[item].categories[-1:]
    for other in copy.shelves[POPULAR].items:
        found = copy.items.get(other)
        if found is None or other == item or not _may_show(snapshot, found, now):
            continue
        if set(category) & set(found.categories):
            yield found


def _may_show(snapshot: Snapshot, item: Item, now: datetime) -> bool:
    """Whether a page of that moment may show it; bans of one block or segment do not concern it."""
    return item.available_at(now) and not snapshot.overrides.banned(item.id, None, None, now)


def _similar(item: str, rung: Rung, model: str | None, found: list[Item]) -> Similar:
    drawn = tuple(draw(near, position) for position, near in enumerate(found, start=1))
    return Similar(item=item, served_by=rung, model=model, count=len(drawn), items=drawn)
