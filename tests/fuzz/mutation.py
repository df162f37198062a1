"""Changes of a case that keep its form: what changes bytes alone seldom gets past a parser.

JSON is changed in one of its parts, a form in one of its fields, anything else in a word or a few
bytes. What stands before the body of a request (`message`) is changed by words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.fuzz.message import parted, whole

JSON = Any
"""Anything that JSON can hold."""

_WORD = re.compile(rb"[A-Za-z0-9_.-]+|.", re.DOTALL)
_DEEP = 200
_ANY = ("utf-8", "surrogateescape")
_TEXTS = (
    "", " ", "a", "é", "\x00", "\ud800", "ck_" + "0" * 32, "ann@example.com", "x" * 300, "\u202e",
    "nan", "inf", "-1", "1e400", "9" * 400, "0x1", "true", "null", "USD", "1.234,5", "²", "٣",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30",
    "1772323200", "https://a.example/?homing_item=lamp&homing_send=%ff", "http://[", "{}", "$.a[0]",
    "orders/create", "products/delete", "order.deleted", "product.updated", "gzip", "Basic YTpi",
)  # fmt: skip
_VALUES: tuple[JSON, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**40, -(10**400), 0.1, -0.0, 1e308,
    1772323200, 1772323200.5, 1e18, float("nan"), float("inf"), [], {}, [[]], [None], {"": None},
)  # fmt: skip


def mutated(case: bytes, random: Random) -> bytes:
    """The case with one thing changed.

    Args:
        case: Any bytes.
        random: Draws what.
    """
    head, body = parted(case)
    if head != case and random.random() < 1 / 4:
        return whole(_words(head, random), body)
    if head == case:
        return _shaped(case, random)
    return whole(head, _shaped(body, random))


def _shaped(body: bytes, random: Random) -> bytes:
    if random.random() < 1 / 8:
        return _bytes(body, random)
    if body[:1] in {b"{", b"["}:
        return _of_json(body, random)
    if b"=" in body and b"\n" not in body:
        return _of_form(body, random)
    return _words(body, random)


def _of_json(body: bytes, random: Random) -> bytes:
    try:
        root = {"": json.loads(body)}
    except (ValueError, RecursionError):
        return _bytes(body, random)
    places = list(_places(root))
    inside, key = random.choice(places)
    _CHANGES[random.randrange(len(_CHANGES))](inside, key, places, random)
    try:
        text = json.dumps(root.get(""), ensure_ascii=random.random() < 1 / 2)
    except (ValueError, RecursionError):  # into itself
        return body
    return text.encode("utf-8", "surrogatepass")


def _of_form(body: bytes, random: Random) -> bytes:
    fields = dict(parse_qsl(body.decode(*_ANY), keep_blank_values=True, errors="surrogateescape"))
    if not fields:
        return _bytes(body, random)
    name = random.choice(list(fields))
    fields[name] = _shaped(fields[name].encode(*_ANY), random).decode(*_ANY)
    if random.random() < 1 / 8:
        fields[_text(random).decode(*_ANY)] = fields.pop(name)
    return urlencode(fields, errors="surrogateescape").encode()


def _words(text: bytes, random: Random) -> bytes:
    words = _WORD.findall(text)
    if not words:
        return _text(random)
    place = random.randrange(len(words))
    words[place : place + random.randrange(3)] = random.choice(
        ([], [_text(random)], [random.choice(words)], [words[place]] * 2)
    )
    return b"".join(words)


def _bytes(body: bytes, random: Random) -> bytes:
    place = random.randrange(len(body) + 1)
    until = place + random.choice((0, 1, 2, 8, len(body)))
    return body[:place] + random.randbytes(random.randrange(4)) + body[until:]


def _text(random: Random) -> bytes:
    return random.choice(_TEXTS).encode("utf-8", "surrogatepass")


def _places(part: JSON, depth: int = 0) -> list[tuple[JSON, JSON]]:
    """Every (container, key) in a value."""
    found: list[tuple[JSON, JSON]] = []
    keys = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
    for key in keys if depth < _DEEP else ():
        found += [(part, key), *_places(part[key], depth + 1)]
    return found


def _another(inside: JSON, key: JSON, places: list[tuple[JSON, JSON]], random: Random) -> None:
    other, name = random.choice(places)
    inside[key] = other[name]


def _gone(inside: JSON, key: JSON, places: list[tuple[JSON, JSON]], random: Random) -> None:
    del places, random
    del inside[key]


def _more(inside: JSON, key: JSON, places: list[tuple[JSON, JSON]], random: Random) -> None:
    del places
    if isinstance(inside, list):
        inside.extend([inside[key]] * random.choice((1, 2, 40)))
    else:
        inside[random.choice(_TEXTS)] = inside[key]


def _changed(inside: JSON, key: JSON, places: list[tuple[JSON, JSON]], random: Random) -> None:
    del places
    value = inside[key]
    if isinstance(value, str):
        place = random.randrange(len(value) + 1)
        inside[key] = value[:place] + random.choice(_TEXTS) + value[place + random.randrange(2) :]
    elif isinstance(value, int | float):
        inside[key] = random.choice((-value, value + 1, value * 1000, str(value)))
    else:
        inside[key] = [value]


def _anything(inside: JSON, key: JSON, places: list[tuple[JSON, JSON]], random: Random) -> None:
    del places
    inside[key] = random.choice((*_TEXTS, *_VALUES))


_CHANGES: tuple[Callable[[JSON, JSON, list[tuple[JSON, JSON]], Random], None], ...] = (
    *(_anything, _anything, _changed, _changed),
    *(_another, _gone, _more),
)
