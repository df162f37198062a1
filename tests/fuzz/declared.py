"""Files that say what somebody else's data mean, and the data that are read by them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from features.clock import FixedClock
from features.errors import InvalidArgument
from features.mapping import parse_mapping
from features.repairs import is_packed, parse_repair, repaired
from features.sources.generic import Generic
from features.sources.generic_mapping import parse_webhook
from features.sources.source import Delivery
from features.stores.codec import encode_event
from homing.sync.declared import parse_declared
from homing.sync.flat import Fetched, Flattener
from homing.sync.rest import Waits, day
from tests.fuzz.message import parted, written
from tests.fuzz.signing import AT
from tests.fuzz.target import Target, check_sound
from tests.unit.features.making import KEYS, NOW, event
from tests.unit.features.sources.test_generic import HEADERS, RECEIPT, toml

TOP = Path(__file__).parents[2]
_SECRET = "QUI="
"""In each of the ways in which a mapping may have it written."""
_RECEIPT = json.dumps(RECEIPT).encode()
_SIGNED = [
    'algorithm = "sha1"\nencoding = "base64url"',
    'signed = "{timestamp}:{id}{url}{body}"\ntimestamp = "At"\nid = "Id"\nunit = "ms"',
    'algorithm = "token"\nprefix = "Bearer "\nkey = "base64"',
]
_REPAIR = 'remove = ["lines[1]"]\n[set]\n"lines[0].sku" = "receipt"\na = {path = "b", times = 2.0}'
_HUBSPOT = {"id": "e", "created": 1772323200000, "type": "OPEN", "recipient": "ann@example.com"}


def _webhook(text: bytes) -> None:
    mapping = parse_webhook(text.decode("utf-8", "replace"), "fuzz.toml")
    source = Generic(mapping, [_SECRET])
    for body in (_RECEIPT, b"[1]", b"[" * 3):
        check_sound(source.read(Delivery(body), KEYS, NOW))
    signature = mapping.signature
    names = (signature.header, signature.timestamp or "", signature.id or "")
    headers = dict(zip(map(str.lower, names), (signature.prefix + _SECRET, AT, "m"), strict=True))
    source.verify(Delivery(_RECEIPT, headers | HEADERS, url="https://a.example"), NOW)


def _mapping(text: bytes) -> None:
    parse_mapping(text.decode("utf-8", "replace"), "fuzz.toml")


def _pulled(text: bytes) -> None:
    parse_declared(text.decode("utf-8", "replace"), "fuzz.toml")


def _records(flatteners: dict[str, Flattener], body: bytes) -> None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return
    records = [one for one in (found if isinstance(found, list) else [found]) if type(one) is dict]
    for flattener in flatteners.values():
        fetched = Fetched()
        rows = fetched.add(records, flattener)
        assert fetched.rows == len(rows)
        assert fetched.records == len(records)


def _asked_again(text: bytes) -> None:
    shown = text.decode("latin-1")
    seconds = Waits(FixedClock(NOW)).asked_for(shown)
    assert seconds is None or seconds >= 0


def _day(text: bytes) -> None:
    try:
        cursor = json.loads(text)
    except (ValueError, RecursionError):
        return
    day(cursor)


def _repair(piece: bytes) -> None:
    text, body = parted(piece)
    repair = parse_repair(text.decode("utf-8", "replace"), "fuzz.toml")
    for letter in (body, _RECEIPT, encode_event(event("e-1"))):
        try:
            repaired(letter, repair, packed=is_packed(letter))
        except InvalidArgument:
            continue


def _read(folder: str, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((TOP / folder).glob(pattern))]


def targets() -> list[Target]:
    """All of them."""
    ready = _read("homing/sync/ready", "*.toml")
    declared = [parse_declared(one.decode(), "ready") for one in ready]
    flatteners = {one.name: Flattener(one.rows, KEYS) for one in declared}
    orders = json.dumps([RECEIPT, _HUBSPOT, {"id": 1, "customer": {"id": 7}}]).encode()
    tills = [toml(one).encode() for one in _SIGNED]
    dates = [b"120", b"Sun, 01 Mar 2026 00:00:00 GMT", b"Sunday, 01-Mar-26 00:00:00 GMT"]
    return [
        Target("webhook mapping", _webhook, [*tills, *_read("homing/mappings", "webhook-*.toml")]),
        Target("file mapping", _mapping, _read("homing/mappings", "[!w]*.toml")),
        Target("pulled: file", _pulled, ready),
        Target("pulled: records", partial(_records, flatteners), [orders]),
        Target("pulled: Retry-After", _asked_again, dates),
        Target(
            "pulled: cursor", _day, [b"1772323200000", b'"2026-03-01T00:00:00Z"', b'"20260301"']
        ),
        Target("repairs", _repair, [written(_RECEIPT, None, _REPAIR)]),
    ]
