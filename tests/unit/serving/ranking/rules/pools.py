"""One slate's candidates, in letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from features.item import Item
from serving.ranking.blocks import Block
from serving.ranking.columns import microseconds
from serving.ranking.rules.pool import Pool, Rule
from serving.ranking.view import item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LETTERS = "abcdefgh"


def pool_of(block: Block, *items: Item, vectors: Sequence[Sequence[float]] | None = None) -> Pool:
    """These items as candidates, the best and most popular first."""
    known = {item.id: item for item in items}
    array = None if vectors is None else np.array(vectors, np.float32)
    view = item_view(list(known), known, vectors=array)
    return Pool(view, block, np.arange(len(items))[None], microseconds(NOW))


def able(rule: Rule, pool: Pool, chosen: str, barred: str = "") -> str:
    """Who may take the next place, in letters, once some have the places so far.

    Args:
        rule: To ask.
        pool: Its items are named by letters.
        chosen: Those that have places.
        barred: Those that a rule before this one holds back.
    """
    ids = list(pool.view.items)
    before = np.array([[item not in chosen + barred for item in ids]])
    columns = np.array([[ids.index(item) for item in chosen]], np.int64)
    after = rule(pool, columns, before)
    assert not (after & ~before).any()
    return "".join(item for item, may in zip(ids, after[0], strict=True) if may)


def named(*, brands: str = "", categories: str = "") -> list[Item]:
    """Items a, b, c …, of the brands or categories of these letters; `.` for none."""
    return [
        Item(
            id=name,
            title=name,
            brand=None if brand == "." else brand,
            categories=() if category == "." else ("all", category),
        )
        for name, brand, category in zip(
            LETTERS,
            brands or "." * len(categories),
            categories or "." * len(brands),
            strict=False,
        )
    ]
