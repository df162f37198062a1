from __future__ import annotations

import pytest

from features.cloudevents import parse_cloudevents
from features.sources.cloudevents_http import CloudEvents
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import is_refused, passes
from tests.unit.features.sources.shopping import JSON, dumped

SOURCE = CloudEvents(["old token", "token"])
DATA: JSON = {"customer": "7", "item": "lamp", "quantity": 2}
EVENT: JSON = {
    "specversion": "1.0",
    "id": "17",
    "source": "/shop/till 3",
    "type": "homing.purchase",
    "time": "2026-02-01T10:00:00Z",
    "data": DATA,
}
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "17",
    "ce-source": "/shop/till%203",
    "ce-type": "homing.purchase",
    "ce-time": "2026-02-01T10:00:00Z",
    "content-type": "application/json; charset=utf-8",
}
EXPECTED = parse_cloudevents(EVENT, KEYS, NOW)
STRUCTURED = "application/cloudevents+json; charset=UTF-8"
BATCH = "application/cloudevents-batch+json"


def read(body: bytes, headers: dict[str, str]) -> Received:
    return SOURCE.read(Delivery(body, headers), KEYS, NOW)


def test_a_sender_shows_a_token() -> None:
    for shown in ("Bearer token", "bearer old token", "Bearer  token "):
        assert passes(SOURCE, Delivery(b"", {"authorization": shown}), NOW)
    assert passes(SOURCE, Delivery(b"", query={"access_token": "token"}), NOW)
    for shown in ("Bearer token2", "token", "Basic token", "Bearer", "Bearer é\ud800", ""):
        is_refused(SOURCE, Delivery(b"", {"authorization": shown}), NOW, "Bearer")


def test_a_structured_event_is_read() -> None:
    received = read(dumped(EVENT), {"content-type": STRUCTURED})
    assert received == Received(EXPECTED, [], [], [])


def test_a_batch_is_read_one_by_one() -> None:
    received = read(dumped([EVENT, [EVENT], {**EVENT, "id": ""}]), {"content-type": BATCH})
    assert received.events == EXPECTED
    assert [letter.body for letter in received.unreadable] == [
        dumped([EVENT]),
        dumped({**EVENT, "id": ""}),
    ]
    assert read(b"[]", {"content-type": BATCH}) == Received([], [], [], [])
    assert len(read(dumped(EVENT), {"content-type": BATCH}).unreadable) == 1


def test_a_binary_event_has_its_attributes_in_headers() -> None:
    assert read(dumped(DATA), HEADERS) == Received(EXPECTED, [], [], [])
    without_type = {name: text for name, text in HEADERS.items() if name != "content-type"}
    assert read(dumped(DATA), without_type).events == EXPECTED


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%45uro", "Euro"),
        ('"till \\"3\\""', 'till "3"'),
        ('"', '"'),
    ],
)
def test_a_header_is_unescaped_once(header: str, source: str) -> None:
    (event,) = read(dumped(DATA), {**HEADERS, "ce-source": header}).events
    assert event.source == source


@pytest.mark.parametrize(
    ("body", "change", "reason"),
    [
        (DATA, {"ce-source": "%C0%A0"}, "ce-source: not UTF-8"),
        (DATA, {"ce-type": "com.example.sale"}, "type: not one of our types"),
        (DATA, {"content-type": "text/xml"}, "datacontenttype: not JSON"),
        (DATA, {"ce-specversion": "0.3"}, "specversion: "),
        ([], {}, "data: not an object"),
        (DATA, {"content-type": "application/cloudevents+avro"}, "a format of events that is not"),
    ],
)
def test_what_is_no_event_of_ours_is_a_dead_letter(
    body: JSON, change: dict[str, str], reason: str
) -> None:
    (letter,) = read(dumped(body), {**HEADERS, **change}).unreadable
    assert letter.body == dumped(body)
    assert letter.reason.startswith(reason)


def test_what_is_no_json_is_a_dead_letter() -> None:
    for headers in (HEADERS, {"content-type": STRUCTURED}, {"content-type": BATCH}):
        assert len(read(b"\xff", headers).unreadable) == 1
