"""What was buried, read once more: where a dead letter came from, and what reads it.

A letter holds a part of a delivery, byte for byte. What else its reading needs, the delivery's
headers, stands in the letter's `source` as `NAME?header=value&…`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from features.cloudevents import CLOUDEVENT_BATCH
from features.identity import CustomerKeys
from features.sources import cloudevents_http, klaviyo, mandrill, segment, sendgrid
from features.sources.opening import Opened
from features.sources.segment import ItemField, Segment
from features.sources.source import Delivery, Received

Reader = Callable[[Delivery, CustomerKeys, datetime], Received]
"""Reads a delivery, as Source.read does."""

FEED: Final = "follow:"
"""What stands before a feed's name in its letters: a source may have the same name."""
METHOD: Final = "method"
"""Stands for a header: which of Segment's calls it was."""

# How a part becomes a delivery of it alone.
_ALONE: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    sendgrid.NAME: lambda part: b"[%b]" % part,
    cloudevents_http.NAME: lambda part: b"[%b]" % part,
    klaviyo.NAME: lambda part: b'{"data":[%b]}' % part,
    mandrill.NAME: lambda part: b"%b=%b" % (mandrill.FIELD, quote(b"[%b]" % part).encode()),
    segment.NAME: lambda part: b'{"batch":[%b]}' % part,
}

_OF_SEVERAL: Final = {
    cloudevents_http.NAME: ("content-type", CLOUDEVENT_BATCH),
    segment.NAME: (METHOD, "batch"),
}
"""Header, and what it begins with where a delivery has several parts."""


def origin_of(name: str, headers: Mapping[str, str], needed: tuple[str, ...] = ()) -> str:
    """Where a dead letter says that it comes from.

    Args:
        name: The source's.
        headers: The delivery's.
        needed: What the names of those begin with that reading needs.
    """
    kept = {one: value for one, value in headers.items() if needed and one.startswith(needed)}
    return f"{name}?{urlencode(kept)}" if kept else name


def name_of(origin: str) -> str:
    """The source's name in where a letter comes from."""
    return origin.partition("?")[0]


def readers_of(sources: Mapping[str, Opened], item: ItemField) -> dict[str, Reader]:
    """Source → what reads its deliveries; Segment's calls among them.

    Args:
        sources: Those that are set up.
        item: See Segment.
    """
    tracked = Segment(item)

    def call(delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        method = delivery.headers.get(METHOD, "")
        return tracked.read(method, delivery.body, keys, now)

    readers: dict[str, Reader] = {segment.NAME: call}
    for name, opened in sources.items():
        readers[name] = opened.source.read
    return readers


def read_again(
    reader: Reader, origin: str, body: bytes, keys: CustomerKeys, at: datetime
) -> Received:
    """What a buried part says, by itself or as the only part of a delivery.

    What its delivery said for all parts is not there any more: a tracked call is dated by its own
    clock.

    Args:
        reader: Of its source.
        origin: Where the letter says that it comes from.
        body: The letter's bytes, or what was made of them.
        keys: Turns outside ids into customer keys.
        at: When it came, aware.
    """
    name, _, query = origin.partition("?")
    headers = dict(parse_qsl(query))
    received = reader(Delivery(body, headers), keys, at)
    header, value = _OF_SEVERAL.get(name, ("", ""))
    alone = _ALONE.get(name) if headers.get(header, "").startswith(value) else None
    if alone is None or [letter.body for letter in received.unreadable] != [body]:
        return received
    return reader(Delivery(alone(body), headers), keys, at)
