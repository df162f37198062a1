from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from features.event import Event, EventType
from features.sources.mandrill import SIGNATURE, Mandrill
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import (
    ANN,
    APPLE,
    CHROME,
    CLICKED,
    EMAIL,
    JSON,
    SEVEN,
    at,
    is_refused,
    passes,
    types,
)

# printf '%s' 'https://homing.example/v1/webhooks/mandrill?shop=1mandrill_events[{"event":"open",
# "note":"a b+c&d=é"}]z1' | openssl dgst -sha1 -hmac 'a key of Mandrill' -binary | base64
KEY = "a key of Mandrill"
URL = "https://homing.example/v1/webhooks/mandrill?shop=1"
FIELDS = {"z": "1", "mandrill_events": '[{"event":"open","note":"a b+c&d=é"}]'}
SIGNED = {SIGNATURE: "+sWUGypJL8fSnjpoP+JX8WcvM/U="}
BODY = urlencode(FIELDS).encode()
SOURCE = Mandrill([KEY])

# As in the examples of the guide.
TOLD: JSON = {
    "event": "open",
    "ts": 1365109999,
    "user_agent": CHROME,
    "user_agent_parsed": {"type": "Browser"},
    "ip": "127.0.0.1",
    "location": {"country_short": "US"},
    "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
    "msg": {
        "ts": 1365109999,
        "subject": "This an example webhook message",
        "email": EMAIL,
        "sender": "example.sender@mandrillapp.com",
        "tags": ["webhook-example"],
        "opens": [{"ts": 1365111111}],
        "clicks": [],
        "state": "sent",
        "metadata": {"user_id": 111},
        "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
        "_version": "exampleaaaaaaaaaaaaaaa",
    },
}


def received(*events: JSON) -> Received:
    form = urlencode({"mandrill_events": json.dumps(events)})
    return SOURCE.read(Delivery(form.encode()), KEYS, NOW)


def only(event: JSON) -> Event:
    (one,) = received(event).events
    return one


def test_the_signature_of_address_and_fields_passes() -> None:
    assert passes(SOURCE, Delivery(BODY, SIGNED, url=URL), NOW)


@pytest.mark.parametrize("keys", [[KEY, "another"], ["another", KEY]])
def test_either_of_two_keys_passes(keys: list[str]) -> None:
    assert passes(Mandrill(keys), Delivery(BODY, SIGNED, url=URL), NOW)


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(BODY, SIGNED, url=URL.removesuffix("?shop=1")),
        Delivery(BODY, SIGNED),
        Delivery(BODY + b"&more=1", SIGNED, url=URL),
        Delivery(BODY.replace(b"open", b"spam"), SIGNED, url=URL),
        Delivery(b"&" * 1_000 + BODY, SIGNED, url=URL),
        Delivery(BODY, {SIGNATURE: "AAAA"}, url=URL),
        Delivery(BODY, {SIGNATURE: "+sWUG"}, url=URL),
    ],
)
def test_anything_else_is_refused(delivery: Delivery) -> None:
    is_refused(SOURCE, delivery, NOW, "signature")


def test_the_order_of_fields_does_not_matter() -> None:
    turned = b"&".join(reversed(BODY.split(b"&")))
    assert turned != BODY
    assert passes(SOURCE, Delivery(turned, SIGNED, url=URL), NOW)


def test_without_a_signature_it_is_refused() -> None:
    is_refused(SOURCE, Delivery(BODY, url=URL), NOW, SIGNATURE)


def test_an_open_is_read() -> None:
    event = only(TOLD)
    assert event == Event(
        id=event.id,
        type=EventType.EMAIL_OPEN,
        customer=ANN,
        occurred_at=at(1365109999),
        send="exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
        source="mandrill",
    )
    assert event.id == only(TOLD).id
    assert event.id != only({**TOLD, "event": "send"}).id


def test_metadata_names_customer_and_send() -> None:
    msg = {**TOLD["msg"], "metadata": {"customer": 7, "send": "spring"}}
    event = only({**TOLD, "msg": msg})
    assert (event.customer, event.send) == (SEVEN, "spring")


@pytest.mark.parametrize("metadata", [[], None, {}])
def test_there_may_be_no_metadata(metadata: JSON) -> None:
    assert only({**TOLD, "msg": {**TOLD["msg"], "metadata": metadata}}).customer == ANN


def test_two_links_clicked_in_one_second_are_two_clicks() -> None:
    click = {**TOLD, "event": "click", "url": CLICKED}
    event = only(click)
    assert (event.type, event.item) == (EventType.EMAIL_CLICK, "lamp")
    assert event.id != only({**click, "url": "https://shop.example/"}).id


def test_robots_are_marked() -> None:
    assert only({**TOLD, "user_agent": APPLE}).machine
    assert not only(TOLD).machine
    assert not only({**TOLD, "user_agent": None}).machine


def test_every_kind_becomes_ours_or_is_left_out() -> None:
    kinds = [
        *("send", "delivered", "open", "click", "hard_bounce", "soft_bounce", "spam", "unsub"),
        *("reject", "deferral", "inbound"),
    ]
    sync = {"type": "blacklist", "action": "add", "reject": {"email": EMAIL}}
    read = received(*({**TOLD, "event": kind} for kind in kinds), sync)
    assert read.unreadable == []
    assert types(read) == [
        EventType.EMAIL_SENT,
        EventType.EMAIL_DELIVERED,
        EventType.EMAIL_OPEN,
        EventType.EMAIL_CLICK,
        EventType.EMAIL_BOUNCE,
        EventType.EMAIL_BOUNCE,
        EventType.EMAIL_COMPLAINT,
        EventType.UNSUBSCRIBE,
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**TOLD, "ts": None},
        {"event": "open", "msg": TOLD["msg"]},
        {**TOLD, "msg": {}},
        {**TOLD, "msg": {**TOLD["msg"], "metadata": {"customer": {}}}},
        [],
    ],
)
def test_one_that_is_wrong_does_not_lose_the_others(wrong: JSON) -> None:
    read = received(TOLD, wrong, {**TOLD, "event": "click"})
    assert types(read) == [EventType.EMAIL_OPEN, EventType.EMAIL_CLICK]
    assert [json.loads(letter.body) for letter in read.unreadable] == [wrong]


@pytest.mark.parametrize("body", [b"", b"mandrill_events=", b"mandrill_events=%FF", b"a=1"])
def test_what_is_no_list_is_one_dead_letter(body: bytes) -> None:
    (letter,) = SOURCE.read(Delivery(body), KEYS, NOW).unreadable
    assert letter.body == body
