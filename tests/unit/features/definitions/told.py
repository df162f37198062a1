"""Runs one definition on a few events: customer → its features."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import ModuleType

import ibis

from features.engine import open_engine
from features.event import Event, EventType
from features.item import Item
from features.tables import event_table, item_table
from tests.unit.features.making import ANN, event

T = datetime(2026, 3, 1, tzinfo=UTC)


def ago(days: float) -> datetime:
    """So many days before T."""
    return T - timedelta(days=days)


def happened(days: float, kind: EventType = EventType.PURCHASE, **fields: object) -> Event:
    """Something so many days before T, with an id of its own."""
    name = f"{kind}-{days}-{sorted(fields.items(), key=str)}"
    return event(name, ago(days), type=kind, **fields)


def told(
    definition: ModuleType, events: Iterable[Event], items: Iterable[Item] = ()
) -> dict[str, dict[str, float]]:
    """What a definition says of each customer as of T."""
    engine = open_engine()
    with closing(engine.con):
        table = definition.define(
            ibis.memtable(event_table(events)), ibis.memtable(item_table(items)), T
        )
        rows = engine.to_pyarrow(table).to_pylist()
    assert [list(row) for row in rows] == [["customer", *definition.NAMES]] * len(rows)
    return {row.pop("customer"): row for row in rows}


def of_ann(
    definition: ModuleType, events: Iterable[Event], items: Iterable[Item] = ()
) -> dict[str, float]:
    """What it says of Ann."""
    return told(definition, events, items)[ANN]
