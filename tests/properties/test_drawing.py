"""An answer put together from pieces is byte for byte the slate, encoded."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from features.item import Item
from serving.attempt import Attempt
from serving.catalogue import make_copy
from serving.ranking.blocks import Block, RuleName
from serving.slate import Ask, Because, Choice, Moved, Pick, Reason, Rung
from serving.snapshot import Snapshot

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
MAYBE = st.none() | TEXT
ITEMS = st.builds(
    Item,
    id=NAMES,
    title=TEXT,
    url=TEXT,
    image_url=TEXT,
    price=st.none() | st.floats(0, allow_infinity=False),
    currency=MAYBE,
    categories=st.lists(TEXT, max_size=3).map(tuple),
    brand=MAYBE,
    in_stock=st.booleans(),
    available_until=st.sampled_from([None, NOW, datetime(2027, 1, 1, tzinfo=UTC)]),
    attributes=st.dictionaries(TEXT, TEXT, max_size=2),
)
MOVED = st.none() | st.builds(
    Moved, st.integers(1, 99), st.lists(st.sampled_from(RuleName), max_size=2).map(tuple)
)
BECAUSE = st.none() | st.builds(Because, TEXT, TEXT)
ASKS = st.builds(
    Ask,
    customer=st.just("ck_" + "a" * 32),
    block=st.just('a "block"'),
    send=MAYBE,
    n=st.none() | st.integers(1, 50),
    explain=st.booleans(),
)


@given(
    st.lists(ITEMS, max_size=6, unique_by=lambda item: item.id),
    st.lists(ITEMS, max_size=3, unique_by=lambda item: item.id),
    st.lists(st.tuples(BECAUSE, MOVED), min_size=12, max_size=12),
    ASKS,
    st.none() | st.sampled_from(Reason),
    MAYBE,
)
def test_what_is_sent_is_the_slate(
    items: list[Item],
    static: list[Item],
    said: list[tuple[Because | None, Moved | None]],
    ask: Ask,
    reason: Reason | None,
    model: str | None,
) -> None:
    block = Block(name=ask.block, size=4, items=tuple(static))
    snapshot = Snapshot(catalogue=make_copy(1, items, {}), blocks={block.name: block})
    names = dict.fromkeys(item.id for item in (*items, *static))
    picks = [Pick(name, *about) for name, about in zip([*names, "gone"], said, strict=False)]
    choice = Choice("sl_1", Rung.MODEL, reason, model, tuple(picks))
    attempt = Attempt(ask, block, snapshot, NOW)

    slate = attempt.drawn(choice)

    assert attempt.encoded(choice) == msgspec.json.encode(slate)
    catalogue = {item.id: item for item in items}
    known = {item.id: item for item in static} | catalogue
    shown = [name for name in names if known[name].available_at(NOW)][: attempt.count]
    assert [item.id for item in slate.items] == shown
