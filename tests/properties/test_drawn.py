"""An item in JSON is put together from bytes: it must be what the encoder gives, to the byte."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from features.item import Item
from serving.packed import Items, draw_item, pack
from serving.ranking.columns import microseconds
from serving.slate import Because, draw

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TRICKY = TEXT | st.sampled_from(('"', "\\", '","because":null,"', "\u2028", "</script>", "\x00"))
MOMENT = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by timezones
ITEMS = st.builds(
    Item,
    id=TRICKY,
    title=TRICKY,
    url=TRICKY,
    image_url=TRICKY,
    price=st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
    currency=st.none() | TRICKY,
    categories=st.lists(TRICKY, max_size=3).map(tuple),
    brand=st.none() | TRICKY,
    in_stock=st.booleans(),
    available_from=st.none() | MOMENT,
    available_until=st.none() | MOMENT,
    attributes=st.dictionaries(TRICKY, TRICKY, max_size=3),
)


@given(ITEMS, st.integers(1, 50), st.none() | st.builds(Because, kind=TRICKY, item=TRICKY))
def test_head_reason_and_tail_are_the_item_as_it_is_encoded(
    item: Item, position: int, because: Because | None
) -> None:
    (head, tail), said = draw_item(item), msgspec.json.encode(because)
    together = b'{"position":%d,' % position + head + said + tail + b"}"
    assert together == msgspec.json.encode(draw(item, position, because))


@given(st.lists(ITEMS, unique_by=lambda item: item.id, max_size=8), MOMENT)
def test_what_is_packed_says_the_same_as_the_items(known: list[Item], now: datetime) -> None:
    packed = Items(*pack(known))
    assert list(packed.values()) == known
    for item in known:
        ready = draw_item(item) if item.available_at(now) else None
        assert packed.ready([item.id], microseconds(now)) == [ready]
