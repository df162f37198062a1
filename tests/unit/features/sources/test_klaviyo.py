from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from features.event import Event, EventType
from features.sources.klaviyo import SIGNATURE, TIMESTAMP, WEBHOOK, Klaviyo
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import (
    ANN,
    CLICKED,
    EMAIL,
    JSON,
    SEVEN,
    at,
    is_refused,
    passes,
    read,
    types,
    without,
)

# printf '%s' '{"data":[],"meta":{"klaviyo_webhook_id":"a8b89045"}}Thu, 04 Jan 2024 18:05:25 GMT' |
# openssl dgst -sha256 -hmac 'a secret of Klaviyo'
SECRET = "a secret of Klaviyo"
BODY = b'{"data":[],"meta":{"klaviyo_webhook_id":"a8b89045"}}'
HEADERS = {
    SIGNATURE: "7741eaab97700cadbf2a4086115f94ccb73af6f31d81331175e9aa4c65ce7cbc",
    TIMESTAMP: "Thu, 04 Jan 2024 18:05:25 GMT",
    WEBHOOK: "a8b89045",
}
ARRIVAL = datetime(2024, 1, 4, 18, 5, 25, tzinfo=UTC)
SOURCE = Klaviyo([SECRET])
PROFILE = "01GDDKASAP8TKDDA2GRZDSVP4H"

# As in the help centre's example of a payload.
PROPERTIES: JSON = {
    "$ESP": 0,
    "Subject": "Free Swag Alert",
    "$message": "01H7F525FKR31P27Y7PNGVBBKK",
    "$event_id": "01H7F525FKR31P27Y7PNGVBBKK:125423419905414052533228990613763937641",
    "Campaign Name": "Daily Newsletter: 2023-08-10",
    "Inbox Provider": "Amazon SES Inbound",
}
ATTRIBUTES: JSON = {
    "uuid": "96150200-374e-11ee-8001-a163313bc6c2",
    "datetime": "2023-08-10 07:21:56+00:00",
    "timestamp": 1691652116,
    "event_properties": PROPERTIES,
}


def told(
    topic: str = "event:klaviyo.opened_email",
    included: JSON = None,
    properties: JSON = None,
    **attributes: object,
) -> JSON:
    """An element of `data`."""
    shown = {**ATTRIBUTES, "event_properties": {**PROPERTIES, **(properties or {})}, **attributes}
    document = {
        "data": {
            "type": "event",
            "id": "3qvXe",
            "links": {"self": "https://a.klaviyo.com/api/events/3qvXe/"},
            "attributes": shown,
            "relationships": {
                "metric": {"data": {"id": "Vbk", "type": "metric"}},
                "profile": {"data": {"id": PROFILE, "type": "profile"}},
            },
        },
    }
    if included is not None:
        document["included"] = included
    return {"topic": topic, "external_id": "3qvXe", "payload": document}


def profile(name: str = PROFILE, **attributes: object) -> JSON:
    return {"type": "profile", "id": name, "attributes": attributes}


def received(*elements: JSON) -> Received:
    return read(SOURCE, {"meta": {"timestamp": "2023-08-10T07:25:23+00:00"}, "data": elements})


def only(element: JSON) -> Event:
    (event,) = received(element).events
    return event


def signed(body: bytes, **headers: str) -> Delivery:
    mac = hmac.digest(SECRET.encode(), body + HEADERS[TIMESTAMP].encode(), hashlib.sha256).hex()
    return Delivery(body, {TIMESTAMP: HEADERS[TIMESTAMP], SIGNATURE: mac, **headers})


def test_the_signature_of_body_and_date_passes() -> None:
    assert passes(SOURCE, Delivery(BODY, HEADERS), ARRIVAL)


@pytest.mark.parametrize("secrets", [[SECRET, "another"], ["another", SECRET]])
def test_either_of_two_secrets_passes(secrets: list[str]) -> None:
    assert passes(Klaviyo(secrets), Delivery(BODY, HEADERS), ARRIVAL)


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(BODY + b" ", HEADERS),
        Delivery(BODY, {**HEADERS, TIMESTAMP: "Thu, 04 Jan 2024 18:05:26 GMT"}),
        Delivery(BODY, {**HEADERS, TIMESTAMP: "Thursday"}),
        # The vendor's page shows this one, without its body and secret.
        Delivery(BODY, {**HEADERS, SIGNATURE: "e6c00e313eaea50ca3b89a7de5a782a2014f96fb8315c065"}),
        Delivery(BODY, {**HEADERS, SIGNATURE: "é"}),
        Delivery(BODY, without(HEADERS, SIGNATURE)),
        Delivery(BODY, without(HEADERS, TIMESTAMP)),
        Delivery(BODY, {**HEADERS, WEBHOOK: "another"}),
    ],
)
def test_anything_else_is_refused(delivery: Delivery) -> None:
    assert not passes(SOURCE, delivery, ARRIVAL)


@pytest.mark.parametrize(
    "delivery", [Delivery(BODY, without(HEADERS, WEBHOOK)), signed(b"\xff", **{WEBHOOK: "a"})]
)
def test_a_webhooks_id_that_nothing_contradicts_passes(delivery: Delivery) -> None:
    assert passes(SOURCE, delivery, ARRIVAL)


def test_an_old_one_is_refused() -> None:
    delivery = Delivery(BODY, HEADERS)
    assert passes(SOURCE, delivery, ARRIVAL + timedelta(minutes=5))
    is_refused(SOURCE, delivery, ARRIVAL + timedelta(minutes=5, seconds=1), "300 s")
    assert passes(Klaviyo([SECRET], timedelta(hours=1)), delivery, ARRIVAL + timedelta(hours=1))


def test_an_open_is_read() -> None:
    assert only(told()) == Event(
        id="klaviyo:3qvXe",
        type=EventType.EMAIL_OPEN,
        customer=KEYS.resolve(PROFILE),
        occurred_at=at(1691652116),
        send="01H7F525FKR31P27Y7PNGVBBKK",
        source="klaviyo",
    )


def test_the_date_does_where_there_are_no_seconds() -> None:
    assert only(told(timestamp=None)).occurred_at == at(1691652116)


@pytest.mark.parametrize(
    ("included", "customer"),
    [
        ([profile(email=EMAIL, external_id="7")], SEVEN),
        ([profile(email=EMAIL, external_id=7)], SEVEN),
        ([profile(email=EMAIL, external_id="")], ANN),
        ([profile(email=EMAIL)], ANN),
        ([profile(email=None)], KEYS.resolve(PROFILE)),
        ([profile("another", email=EMAIL)], KEYS.resolve(PROFILE)),
        ([{**profile(external_id="8"), "type": "metric"}, profile(external_id="7")], SEVEN),
        ([profile("another", external_id="8"), profile(external_id="7")], SEVEN),
    ],
)
def test_the_profile_that_comes_with_it_names_the_customer(included: JSON, customer: str) -> None:
    assert only(told(included=included)).customer == customer


def test_a_click_says_which_item() -> None:
    event = only(told("event:klaviyo.clicked_email", properties={"URL": CLICKED}))
    assert (event.type, event.item) == (EventType.EMAIL_CLICK, "lamp")


@pytest.mark.parametrize(
    ("properties", "machine"),
    [
        ({}, False),
        ({"Apple Privacy Open": True}, True),
        ({"Apple Privacy Open": "True"}, True),
        ({"Apple Privacy Open": False, "machine_open": "false"}, False),
        ({"machine_open": True}, True),
        ({"Bot Click": "true"}, True),
        ({"Bot Click": {"true": True}}, False),
    ],
)
def test_robots_are_marked(properties: JSON, *, machine: bool) -> None:
    assert only(told(properties=properties)).machine is machine


def test_every_kind_becomes_ours_or_is_left_out() -> None:
    kinds = [
        "event:klaviyo.received_email",
        "event: email_delivered",
        "event:klaviyo.clicked_email",
        "event:klaviyo.bounced_email",
        "event:klaviyo.marked_email_as_spam",
        "event:klaviyo.unsubscribed_from_email_marketing",
        "event:klaviyo.manually_suppressed_from_email_marketing",
        "event:klaviyo.dropped_email",
        "event:klaviyo.opened_push",
        "event:shopify.placed_order",
    ]
    read_events = received(*map(told, kinds))
    assert read_events.unreadable == []
    assert types(read_events) == [
        EventType.EMAIL_DELIVERED,
        EventType.EMAIL_DELIVERED,
        EventType.EMAIL_CLICK,
        EventType.EMAIL_BOUNCE,
        EventType.EMAIL_COMPLAINT,
        EventType.UNSUBSCRIBE,
        EventType.UNSUBSCRIBE,
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**told(), "external_id": None},
        {**told(), "payload": {}},
        told(timestamp=None, datetime=""),
        told(timestamp=1e20),
        told(included={}),
        {**told(), "payload": {"data": {"attributes": ATTRIBUTES, "relationships": {}}}},
        {**told(), "payload": {"data": {"relationships": {"profile": {"data": None}}}}},
    ],
)
def test_one_that_is_wrong_does_not_lose_the_others(wrong: JSON) -> None:
    read_events = received(told(), wrong, told("event:klaviyo.clicked_email"))
    assert types(read_events) == [EventType.EMAIL_OPEN, EventType.EMAIL_CLICK]
    assert len(read_events.unreadable) == 1


@pytest.mark.parametrize("message", [None, 5, {}])
def test_a_message_that_is_no_name_is_left_out(message: JSON) -> None:
    assert only(told(properties={"$message": message})).send is None


def test_there_may_be_no_properties() -> None:
    assert only(told(event_properties=None)).send is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":5}'])
def test_what_has_no_events_is_one_dead_letter(body: bytes) -> None:
    (letter,) = SOURCE.read(Delivery(body), KEYS, NOW).unreadable
    assert letter.body == body
