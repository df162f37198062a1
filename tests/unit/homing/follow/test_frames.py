from __future__ import annotations

import json
from typing import Any

import pytest

from homing.follow.declared import Auth, WebSocket
from homing.follow.frames import Frames


def frames(**fields: Any) -> Frames:  # noqa: ANN401 - of WebSocket
    made = WebSocket(**{"url": "wss://shop.example", **fields})
    return Frames(made, {"TOKEN": "hush", "API_KEY": "a&b"}.__getitem__)


@pytest.mark.parametrize(
    ("first", "position", "place"),
    [(0, "", 0), (0, "7", 7), (0, "9" * 99, "9" * 99), (0, "a7", "a7"), ("start", "7", "7")],
)
def test_where_numbers_are_counted_a_number_is_sent(
    first: str | int, position: str, place: str | int
) -> None:
    made = frames(
        subscribe=({"to": [{"after": "{cursor}"}], "as": "{TOKEN}-{cursor}"},), first=first
    )
    [sent] = made.subscriptions(position)
    assert json.loads(sent) == {"to": [{"after": place}], "as": f"hush-{place}"}


def test_a_text_is_sent_as_it_stands_but_for_the_place() -> None:
    made = frames(subscribe=('{"go": {cursor}}', "{TOKEN}"), first=3)
    assert made.subscriptions("4") == ['{"go": 4}', "hush"]


@pytest.mark.parametrize(
    ("url", "position", "made"),
    [
        ("wss://shop.example", "", "wss://shop.example?key=a%26b"),
        ("wss://shop.example?from={cursor}", "a b", "wss://shop.example?from=a%20b&key=a%26b"),
    ],
)
def test_the_address_has_the_place_and_the_key(url: str, position: str, made: str) -> None:
    auth = Auth(type="api_key", name="key", location="query")
    assert frames(url=url, auth=auth).url(position) == made


@pytest.mark.parametrize(
    ("body", "position", "kind"),
    [
        (b'{"seq": 7, "what": {"kind": "seen"}}', "7", "seen"),
        (b'{"seq": "a7"}', "a7", ""),
        (b'{"seq": 1.5, "what": {"kind": true}}', "", ""),
        (b'{"seq": "' + b"9" * 1_001 + b'"}', "", ""),
        (b"[1]", "", ""),
    ],
)
def test_a_message_says_where_it_stands_and_what_it_is(
    body: bytes, position: str, kind: str
) -> None:
    found = frames(cursor="seq", kind="what.kind").message(body)
    assert found == (position, kind, body, "")
