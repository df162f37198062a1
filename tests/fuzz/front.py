"""What comes to the front door besides webhooks, and what the stores give back."""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from features.clock import FixedClock
from features.cloudevents import parse_cloudevents, to_cloudevent
from features.errors import HomingError
from features.event import decode_json, parse_events
from features.identity import is_key
from features.item import check_item, parse_items
from features.override import parse_overrides
from features.stores import codec
from serving.keys import KeyFile, Scope
from serving.signing import sign_url
from serving.web.body import MAX_BODY
from serving.web.fetch import PATH, parse_ask, parse_query
from serving.web.gate import Gate
from serving.web.unzip import unzipped
from tests.fuzz.message import headers_in, parted, query_in, written
from tests.fuzz.target import Target, check_kept
from tests.unit.features.making import KEYS, NOW, event, identify, item
from tests.unit.features.sources.test_cloudevents_http import EVENT
from tests.unit.features.sources.test_standard_webhooks import VIEW

_ITEM = {
    "id": "lamp",
    "title": "Lamp",
    "url": "https://shop.example/lamp",
    "price": 24.75,
    "currency": "EUR",
    "categories": ["Home", "Light"],
    "brand": "Acme",
    "in_stock": True,
    "available_until": "2026-12-31T00:00:00+01:00",
    "attributes": {"colour": "red"},
}
_OVERRIDE = {"action": "pin", "block": "hero", "item": "lamp", "ends_at": "2026-12-31T00:00:00Z"}


def _events(body: bytes) -> None:
    for one in parse_events(decode_json(body), KEYS, NOW):
        check_kept(one)


def _cloudevents(body: bytes) -> None:
    events = parse_cloudevents(decode_json(body), KEYS, NOW)
    for one in events:
        check_kept(one)
    assert parse_cloudevents([to_cloudevent(one) for one in events], KEYS, NOW) == events


def _items(body: bytes) -> None:
    for one in parse_items(decode_json(body)):
        assert check_item(one) is None, one
        assert codec.decode_item(codec.encode_item(one)) == one


def _overrides(body: bytes) -> None:
    wanted = parse_overrides(decode_json(body), NOW)
    assert codec.decode_overrides("", codec.encode_overrides(wanted)) == tuple(wanted)


def _codec(body: bytes) -> None:
    plain, _ = codec.undated(body)
    codec.customer_of(body)
    try:
        one = codec.decode_event(plain)
    except HomingError:
        pass
    else:
        assert codec.decode_event(codec.encode_event(one)) == one
        assert codec.customer_of(body) == one.customer
    for decode in (codec.decode_item, partial(codec.decode_overrides, "")):
        try:
            decode(body)
        except HomingError:
            continue


def _unzip(piece: bytes) -> None:
    encoding, body = parted(piece)
    assert len(unzipped(body, encoding.decode("latin-1"))) <= max(MAX_BODY, len(body))


def _query(query: bytes) -> None:
    ask = parse_ask(parse_query({"query_string": query}), KEYS)
    assert is_key(ask.customer)
    assert ask.block


class _Doors(NamedTuple):
    """A gate, and what opens it."""

    gate: Gate
    token: str
    signed: str


def _doors() -> _Doors:
    keys = KeyFile(Path(tempfile.mkdtemp()) / "keys.json", FixedClock(NOW), look_seconds=1e9)
    made = keys.create("fuzz", [Scope.RECOMMEND])
    named = {"customer": "é", "block": "hero"}
    expires = NOW + timedelta(days=1)
    url = sign_url(PATH, named, key=made.key.id, key_hex=made.signing_key, expires=expires)
    gate = Gate(keys, FixedClock(NOW), required=True)
    return _Doors(gate, made.token, url.partition("?")[2])


def _knock(gate: Gate, piece: bytes) -> None:
    head, _ = parted(piece)
    asked = {"method": "GET", "path": PATH, "query_string": query_in(head)}
    gate.admit({**asked, "headers": headers_in(head)}, Scope.RECOMMEND)


def targets() -> list[Target]:
    """All of them."""
    doors = _doors()
    basic = base64.b64encode(f"user:{doors.token}".encode()).decode()
    shown = [{"authorization": f"Bearer {doors.token}"}, {"authorization": f"Basic {basic}"}]
    asked = {"customer": "7", "block": "hero", "send": "s", "n": "6", "deadline_ms": "50"}
    encoded = codec.encode_event(event("e-1"))
    packed = [
        *(encoded, codec.dated(encoded, 1), codec.encode_event(identify("e-2", "ck_1", "ck_2"))),
        codec.encode_item(item("lamp")),
        msgspec.msgpack.encode([_OVERRIDE]),
    ]
    return [
        Target("events", _events, [json.dumps(one).encode() for one in (VIEW, [VIEW, VIEW])]),
        Target(
            "events: CloudEvents",
            _cloudevents,
            [json.dumps(one).encode() for one in (EVENT, [EVENT])],
        ),
        Target("items", _items, [json.dumps(one).encode() for one in (_ITEM, [_ITEM, _ITEM])]),
        Target("overrides", _overrides, [json.dumps([_OVERRIDE]).encode()]),
        Target("stored", _codec, packed),
        Target("unzip", _unzip, [b"gzip\n\n" + gzip.compress(b"a" * 99, mtime=0), b"\n\nplain"]),
        Target("query", _query, [urlencode(asked).encode(), b"customer=%C3%A9&block=a+b"]),
        Target(
            "keys",
            partial(_knock, doors.gate),
            [written(b"", query=doors.signed), *(written(b"", one) for one in shown)],
        ),
    ]
