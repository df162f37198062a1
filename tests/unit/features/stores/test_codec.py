"""Events and items survive the way into bytes and back; other bytes are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from features.errors import InvalidEvent, InvalidItem
from features.event import Event, EventType
from features.item import Item
from features.stores.codec import decode_event, decode_item, encode_event, encode_item

ADA = "ck_" + "a" * 32
WHEN = datetime(2026, 1, 30, 12, 30, 15, 123456, tzinfo=UTC)
PLAIN = Event(id="e-1", type=EventType.EMAIL_OPEN, customer=ADA, occurred_at=WHEN)
FULL = Event(
    id="é-2",
    type=EventType.PURCHASE,
    customer=ADA,
    occurred_at=WHEN,
    item="tea",
    quantity=2.5,
    value=7.25,
    currency="GBP",
    block="hero",
    send="mail",
    slate="slate",
    source="shop",
)


@pytest.mark.parametrize("event", [PLAIN, FULL])
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize(
    "item",
    [
        Item(id="tea", title="Tea"),
        Item(id="tea", title="Tea", price=0.1, available_from=WHEN, attributes={"a": "b"}),
    ],
)
def test_an_item_comes_back_as_it_was(item: Item) -> None:
    assert decode_item(encode_item(item)) == item


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not msgpack",
        b"\xff\xff",
        encode_event(FULL)[:-1],
        encode_event(FULL) + b"\x00",
        b"\x91" * 100_000,
        msgspec.msgpack.encode({"id": "e-1"}),
        msgspec.msgpack.encode({**msgspec.to_builtins(FULL), "type": "teleport"}),
        msgspec.msgpack.encode({**msgspec.to_builtins(FULL), "id": 7}),
    ],
)
def test_other_bytes_are_no_event(body: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not an event"):
        decode_event(body)


def test_a_refusal_does_not_repeat_the_bytes() -> None:
    body = encode_event(msgspec.structs.replace(FULL, customer="ada@shop.example"))
    with pytest.raises(InvalidEvent, match="not a customer key") as caught:
        decode_event(body)
    assert "ada" not in str(caught.value)
    assert f"{len(body)} bytes" in str(caught.value)


def test_an_alias_that_is_no_key_is_refused_and_not_repeated() -> None:
    body = encode_event(msgspec.structs.replace(FULL, alias="ada@shop.example"))
    with pytest.raises(InvalidEvent, match="its alias is not a customer key") as caught:
        decode_event(body)
    assert "ada" not in str(caught.value)


def test_a_time_without_a_zone_is_refused() -> None:
    body = encode_event(msgspec.structs.replace(FULL, occurred_at=WHEN.replace(tzinfo=None)))
    with pytest.raises(InvalidEvent, match="no zone"):
        decode_event(body)


@pytest.mark.parametrize("body", [b"", b"\xff", msgspec.msgpack.encode({"id": "tea"})])
def test_other_bytes_are_no_item(body: bytes) -> None:
    with pytest.raises(InvalidItem, match="not an item"):
        decode_item(body)
