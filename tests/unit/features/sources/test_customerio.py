from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from features.event import Event, EventType
from features.sources.customerio import SIGNATURE, TIMESTAMP, CustomerIo
from features.sources.source import Delivery
from tests.unit.features.making import KEYS
from tests.unit.features.sources.mailing import (
    ANN,
    CLICKED,
    EMAIL,
    JSON,
    SEVEN,
    at,
    body,
    is_refused,
    only,
    passes,
    read,
    without,
)

# The vendor's own: customerio/customerio-node, test/webhooks.ts.
SECRET = "signing-secret"
BODY = b'{"event_id":"abc","object_type":"email","metric":"delivered"}'
HEADERS = {
    SIGNATURE: "6f55cf23f9b73a2ff07733fe04421f64ce9ec5e409696edda6b2a80311944230",
    TIMESTAMP: "1614265384",
}
ARRIVAL = datetime.fromtimestamp(1614265384, UTC)
SOURCE = CustomerIo([SECRET])

# As in the reference of reporting webhooks.
DATA: JSON = {
    "customer_id": "7",
    "identifiers": {"id": "7", "email": EMAIL, "cio_id": "cio_03000001"},
    "recipient": EMAIL,
    "delivery_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY",
    "campaign_id": 123,
    "action_id": 456,
    "subject": "Hello",
    "proxied": False,
    "prefetched": False,
}
TOLD: JSON = {
    "event_id": "01E4C4CT6YDC7Y5M7FE1GWWPQJ",
    "object_type": "email",
    "metric": "opened",
    "timestamp": 1613063089,
    "data": DATA,
}


def told(metric: str = "opened", object_type: str = "email", **data: object) -> JSON:
    return {**TOLD, "metric": metric, "object_type": object_type, "data": {**DATA, **data}}


def test_the_vendors_own_signature_passes() -> None:
    assert passes(SOURCE, Delivery(BODY, HEADERS), ARRIVAL)


@pytest.mark.parametrize("secrets", [[SECRET, "another"], ["another", SECRET]])
def test_either_of_two_secrets_passes(secrets: list[str]) -> None:
    assert passes(CustomerIo(secrets), Delivery(BODY, HEADERS), ARRIVAL)


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(BODY.replace(b"delivered", b"bounced"), HEADERS),
        Delivery(BODY, {**HEADERS, TIMESTAMP: "1614265385"}),
        Delivery(BODY, {**HEADERS, TIMESTAMP: "today"}),
        Delivery(BODY, {**HEADERS, SIGNATURE: "abc"}),
        Delivery(BODY, {**HEADERS, SIGNATURE: HEADERS[SIGNATURE][:-2]}),
        Delivery(BODY, without(HEADERS, SIGNATURE)),
        Delivery(BODY, without(HEADERS, TIMESTAMP)),
    ],
)
def test_anything_else_is_refused(delivery: Delivery) -> None:
    assert not passes(SOURCE, delivery, ARRIVAL)


def test_an_old_one_is_refused() -> None:
    delivery = Delivery(BODY, HEADERS)
    assert passes(SOURCE, delivery, ARRIVAL - timedelta(minutes=5))
    is_refused(SOURCE, delivery, ARRIVAL - timedelta(minutes=5, seconds=1), "300 s")
    assert passes(CustomerIo([SECRET], timedelta(days=7)), delivery, ARRIVAL + timedelta(days=7))


def test_an_open_is_read() -> None:
    assert only(SOURCE, TOLD) == Event(
        id="customerio:01E4C4CT6YDC7Y5M7FE1GWWPQJ",
        type=EventType.EMAIL_OPEN,
        customer=SEVEN,
        occurred_at=at(1613063089),
        send="RPILAgUBcRhIBqSfeiIwdIYJKxTY",
        source="customerio",
    )


@pytest.mark.parametrize(
    ("data", "customer"),
    [
        ({"customer_id": 7}, SEVEN),
        ({"customer_id": "", "identifiers": {"id": "7"}}, SEVEN),
        ({"customer_id": None, "identifiers": {"email": EMAIL}, "recipient": None}, ANN),
        ({"customer_id": None, "identifiers": None}, ANN),
        ({"customer_id": None, "identifiers": {"cio_id": "03000001"}}, ANN),
        (
            {"customer_id": None, "identifiers": {"cio_id": "03000001"}, "recipient": None},
            KEYS.resolve("03000001"),
        ),
    ],
)
def test_the_best_name_of_the_customer_is_taken(data: JSON, customer: str) -> None:
    assert only(SOURCE, told(**data)).customer == customer


def test_a_click_says_which_item() -> None:
    event = only(SOURCE, told("clicked", href=CLICKED, link_id=1))
    assert (event.type, event.item) == (EventType.EMAIL_CLICK, "lamp")


def test_only_what_was_fetched_before_anybody_opened_is_a_robots() -> None:
    assert only(SOURCE, told(prefetched=True, proxied=True)).machine
    assert not only(SOURCE, told(prefetched=False, proxied=True)).machine


@pytest.mark.parametrize(
    ("object_type", "metric", "type_"),
    [
        ("email", "sent", EventType.EMAIL_SENT),
        ("email", "delivered", EventType.EMAIL_DELIVERED),
        ("email", "bounced", EventType.EMAIL_BOUNCE),
        ("email", "spammed", EventType.EMAIL_COMPLAINT),
        ("email", "unsubscribed", EventType.UNSUBSCRIBE),
        ("customer", "unsubscribed", EventType.UNSUBSCRIBE),
    ],
)
def test_every_kind_becomes_ours(object_type: str, metric: str, type_: EventType) -> None:
    assert only(SOURCE, told(metric, object_type)).type is type_


@pytest.mark.parametrize(
    ("object_type", "metric"),
    [
        ("email", "dropped"),
        ("email", "attempted"),
        ("customer", "subscribed"),
        ("push", "opened"),
        ("sms", "clicked"),
    ],
)
def test_other_kinds_are_left_out(object_type: str, metric: str) -> None:
    received = read(SOURCE, told(metric, object_type))
    assert (received.events, received.unreadable) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [
        told(customer_id=None, identifiers=None, recipient=None),
        told(customer_id={}),
        {**TOLD, "event_id": None},
        {**TOLD, "timestamp": 1e20},
        {"event_type": "email_opened"},
        [],
    ],
)
def test_what_is_wrong_is_a_dead_letter(wrong: JSON) -> None:
    received = read(SOURCE, wrong)
    assert [letter.body for letter in received.unreadable] == [body(wrong)]
    assert received.events == []
