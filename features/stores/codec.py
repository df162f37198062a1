"""Events, items and overrides as stores keep them: MessagePack, checked again on the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec

from features.errors import (
    UNDECODABLE,
    InputError,
    InvalidEvent,
    InvalidItem,
    Problem,
    StoreUnavailable,
)
from features.event import Event
from features.identity import are_keys, is_key
from features.item import Item
from features.override import Override

DIGESTS: Final = 1 << 64
"""Digests are counted modulo this."""


class _Customer(msgspec.Struct):
    """Of an event nothing but whose it is."""

    customer: str


_DATED: Final = b"\xc1"
_TIME: Final = Struct(">q")
_time_of: Final = _TIME.unpack_from
_BODY: Final = len(_DATED) + _TIME.size
"""Where the body begins behind its time."""

_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(Event)
_customer_decoder = msgspec.msgpack.Decoder(_Customer)
_item_decoder = msgspec.msgpack.Decoder(Item)
_overrides_decoder = msgspec.msgpack.Decoder(tuple[Override, ...])


def encode_event(event: Event) -> bytes:
    """An event as the log keeps it."""
    return _encoder.encode(event)


def decode_event(body: bytes) -> Event:
    """The event that `encode_event` wrote.

    Raises:
        InvalidEvent: The bytes are not an event, its customer or its alias is not a customer key,
            or its time has no zone. The message shows none of the bytes: they may hold an outside
            id.
    """
    try:
        event = _event_decoder.decode(body)
    except UNDECODABLE as error:
        raise _unreadable(InvalidEvent, body, f"not an event: {error}") from error
    if not is_key(event.customer):
        raise _unreadable(InvalidEvent, body, "its customer is not a customer key")
    if event.alias is not None and not is_key(event.alias):
        raise _unreadable(InvalidEvent, body, "its alias is not a customer key")
    if event.occurred_at.tzinfo is None:
        raise _unreadable(InvalidEvent, body, "its time has no zone")
    return event


def decode_events(bodies: Iterable[bytes]) -> list[Event] | None:
    """All events at once; None when `decode_event` refuses any of them, and tells why."""
    try:
        events = list(map(_event_decoder.decode, bodies))
    except UNDECODABLE:
        return None
    keys = [event.customer for event in events]
    keys += [event.alias for event in events if event.alias is not None]
    zones = {event.occurred_at.tzinfo for event in events}
    return events if are_keys(keys) and None not in zones else None


def dated(body: bytes, accepted: int) -> bytes:
    """A body with the time of its acceptance before it, microseconds since 1970."""
    return b"%b%b%b" % (_DATED, _TIME.pack(accepted), body)


def undated(body: bytes) -> tuple[bytes, float | None]:
    """What `dated` got, the time in seconds; a body without one as it is, and None."""
    if not body.startswith(_DATED) or len(body) < _BODY:
        return body, None
    return body[_BODY:], _time_of(body, 1)[0] / 1e6


def customer_of(body: bytes) -> str:
    """Whose event these bytes are, with a time before them or without; empty for other bytes."""
    try:
        return _customer_decoder.decode(undated(body)[0]).customer
    except UNDECODABLE:
        return ""


def encode_item(item: Item) -> bytes:
    """An item as the catalogue keeps it."""
    return _encoder.encode(item)


def decode_item(body: bytes) -> Item:
    """The item that `encode_item` wrote.

    Raises:
        InvalidItem: The bytes are not an item.
    """
    try:
        return _item_decoder.decode(body)
    except UNDECODABLE as error:
        raise _unreadable(InvalidItem, body, f"not an item: {error}") from error


def encode_overrides(overrides: Sequence[Override]) -> bytes:
    """Overrides as the catalogue keeps them: all in one piece."""
    return _encoder.encode(overrides)


def decode_overrides(where: Path | str, body: bytes | None) -> tuple[Override, ...]:
    """The overrides that `encode_overrides` wrote; none for None.

    Raises:
        StoreUnavailable: The bytes are none; the message names where they are kept and the cure.
    """
    try:
        return () if body is None else _overrides_decoder.decode(body)
    except UNDECODABLE as error:
        message = f"{where}: the overrides can't be read: {error}: restore it from a backup"
        raise StoreUnavailable(message) from error


def items_digest(items: Iterable[Item]) -> int:
    """64 bits that tell these items from any others, whatever their order.

    The sum of the items' own digests, so that a change of some needs no look at the rest.
    """
    return sum(item_digest(encode_item(item)) for item in items) % DIGESTS


def item_digest(body: bytes) -> int:
    """64 bits that stand for one encoded item (BLAKE2b, RFC 7693)."""
    return int.from_bytes(blake2b(body, digest_size=8).digest(), "big")


def letter_digest(body: bytes, source: str) -> bytes:
    """What makes two dead letters the same: their bytes and where they came from."""
    return blake2b(body, digest_size=16, key=blake2b(source.encode()).digest()).digest()


def _unreadable(kind: type[InputError], body: bytes, reason: str) -> InputError:
    cure = "write it with features.stores.codec"
    value = f"{len(body)} bytes"
    return kind([Problem(index=None, field="", value=value, reason=reason, cure=cure)])
