from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from features.errors import SettingsError
from features.event import Event, EventType
from features.sources.sendgrid import RETRIED, SIGNATURE, TIMESTAMP, SendGrid
from features.sources.source import Delivery
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
    only,
    passes,
    read,
    types,
    without,
)

# The vendor's own: sendgrid/sendgrid-python, test/unit/test_eventwebhook.py.
KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fN"
    "NRaINXvVpiglSI8eNEc6wEA3F+g=="
)
OTHER_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aN"
    "Dthvj+y7GjUuFDb/R1NGe1OPzpA=="
)
SIGNED = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15Tl"
    "uLtEZtM="
)
OTHER_SIGNATURE = (
    "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDW"
    "YNH3j/0="
)
SENT = "1600112502"
PAYLOAD = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",'
    b'"timestamp":1600112492}]\r\n'
)
HEADERS = {SIGNATURE: SIGNED, TIMESTAMP: SENT}
ARRIVAL = datetime.fromtimestamp(1600112502, UTC)
SOURCE = SendGrid([KEY])

# As in the Event Webhook Reference.
TOLD: JSON = {
    "email": EMAIL,
    "timestamp": 1513299569,
    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "event": "open",
    "category": "cat facts",
    "sg_event_id": "FOTFFO0ecsBE-zxFXfs6WA==",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "useragent": CHROME,
    "ip": "255.255.255.255",
    "sg_machine_open": False,
}


def shown(key: PublicKeyTypes) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def test_the_vendors_own_delivery_passes() -> None:
    assert passes(SOURCE, Delivery(PAYLOAD, HEADERS), ARRIVAL)


def test_the_key_may_have_its_lines() -> None:
    pem = f"-----BEGIN PUBLIC KEY-----\n{KEY[:64]}\n{KEY[64:]}\n-----END PUBLIC KEY-----\n"
    assert passes(SendGrid([pem]), Delivery(PAYLOAD, HEADERS), ARRIVAL)


@pytest.mark.parametrize("keys", [[KEY, OTHER_KEY], [OTHER_KEY, KEY]])
def test_either_of_two_keys_passes(keys: list[str]) -> None:
    assert passes(SendGrid(keys), Delivery(PAYLOAD, HEADERS), ARRIVAL)


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(b"payload", HEADERS),
        Delivery(PAYLOAD.rstrip(), HEADERS),
        Delivery(PAYLOAD, {**HEADERS, TIMESTAMP: "1600112503"}),
        Delivery(PAYLOAD, {**HEADERS, TIMESTAMP: "timestamp"}),
        Delivery(PAYLOAD, {**HEADERS, SIGNATURE: OTHER_SIGNATURE}),
        Delivery(PAYLOAD, {**HEADERS, SIGNATURE: "AAAA"}),
        Delivery(PAYLOAD, {**HEADERS, SIGNATURE: "é"}),
        Delivery(PAYLOAD, without(HEADERS, SIGNATURE)),
        Delivery(PAYLOAD, without(HEADERS, TIMESTAMP)),
    ],
)
def test_anything_else_is_refused(delivery: Delivery) -> None:
    assert not passes(SOURCE, delivery, ARRIVAL)


def test_another_key_is_refused() -> None:
    assert not passes(SendGrid([OTHER_KEY]), Delivery(PAYLOAD, HEADERS), ARRIVAL)


def test_a_retry_of_the_whole_day_passes_and_a_later_one_does_not() -> None:
    delivery = Delivery(PAYLOAD, HEADERS)
    assert passes(SOURCE, delivery, ARRIVAL + RETRIED)
    is_refused(SOURCE, delivery, ARRIVAL + RETRIED + timedelta(seconds=1), "more than 90000 s")
    is_refused(SendGrid([KEY], timedelta(0)), delivery, ARRIVAL + timedelta(seconds=1), "0 s")


def test_a_signature_of_our_own_making_passes() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    source = SendGrid([shown(private.public_key())])
    seconds = str(int(NOW.timestamp()))
    signature = private.sign(seconds.encode() + b"[]", ec.ECDSA(SHA256()))
    headers = {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: seconds}
    assert passes(source, Delivery(b"[]", headers), NOW)


@pytest.mark.parametrize(
    "secret",
    [
        "SG.a-key-of-the-api",
        "AAAA",
        shown(ec.generate_private_key(ec.SECP384R1()).public_key()),
        shown(rsa.generate_private_key(65537, 2048).public_key()),
    ],
)
def test_a_secret_that_is_no_such_key_is_named(secret: str) -> None:
    with pytest.raises(SettingsError, match="no public key on P-256"):
        SendGrid([secret])


def test_an_open_is_read() -> None:
    assert only(SOURCE, [TOLD]) == Event(
        id="sendgrid:FOTFFO0ecsBE-zxFXfs6WA==",
        type=EventType.EMAIL_OPEN,
        customer=ANN,
        occurred_at=at(1513299569),
        send="14c5d75ce93.dfd.64b469",
        source="sendgrid",
    )


def test_custom_arguments_name_customer_send_block_and_slate() -> None:
    told = only(
        SOURCE, [{**TOLD, "customer": "7", "send": "spring", "block": "hero", "slate": "s"}]
    )
    assert (told.customer, told.send, told.block, told.slate) == (SEVEN, "spring", "hero", "s")


def test_a_click_says_which_item() -> None:
    told = only(SOURCE, [{**TOLD, "event": "click", "url": CLICKED}])
    assert (told.type, told.item, told.block) == (EventType.EMAIL_CLICK, "lamp", "hero")


@pytest.mark.parametrize(
    ("fields", "machine"),
    [
        ({}, False),
        ({"sg_machine_open": True}, True),
        ({"useragent": APPLE}, True),
        ({"event": "click", "useragent": "python-requests/2.32"}, True),
        ({"sg_machine_open": None, "useragent": None}, False),
    ],
)
def test_robots_are_marked(fields: dict[str, object], *, machine: bool) -> None:
    assert only(SOURCE, [{**TOLD, **fields}]).machine is machine


def test_whoever_follows_every_link_at_once_is_a_robot() -> None:
    click = {**TOLD, "event": "click"}
    links = [{**click, "url": f"https://shop.example/{n}", "sg_event_id": f"{n}"} for n in range(3)]
    later = {**click, "timestamp": TOLD["timestamp"] + 60, "sg_event_id": "later"}
    received = read(SOURCE, [TOLD, *links, later])
    assert [event.machine for event in received.events] == [False, True, True, True, False]


def test_every_kind_becomes_ours_or_is_left_out() -> None:
    kinds = [
        *("processed", "delivered", "open", "click", "bounce", "spamreport", "unsubscribe"),
        *("group_unsubscribe", "dropped", "deferred", "group_resubscribe", "new"),
    ]
    received = read(SOURCE, [{**TOLD, "event": kind, "sg_event_id": kind} for kind in kinds])
    assert received.unreadable == []
    assert types(received) == [
        EventType.EMAIL_SENT,
        EventType.EMAIL_DELIVERED,
        EventType.EMAIL_OPEN,
        EventType.EMAIL_CLICK,
        EventType.EMAIL_BOUNCE,
        EventType.EMAIL_COMPLAINT,
        EventType.UNSUBSCRIBE,
        EventType.UNSUBSCRIBE,
    ]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({**TOLD, "email": 5}, "email"),
        ({**TOLD, "timestamp": "soon"}, "timestamp"),
        ({**TOLD, "timestamp": 1e300}, "timestamp"),
        ({**TOLD, "timestamp": 5}, "occurred_at"),
        ({**TOLD, "email": None}, "customer"),
        ({**TOLD, "customer": {"id": 7}}, "customer"),
        ({"event": "open"}, "timestamp"),
        ("open", "object"),
    ],
)
def test_one_that_is_wrong_does_not_lose_the_others(wrong: object, reason: str) -> None:
    received = read(SOURCE, [TOLD, wrong, {**TOLD, "sg_event_id": "2"}])
    assert [event.id[-1] for event in received.events] == ["=", "2"]
    (letter,) = received.unreadable
    assert reason in letter.reason
    assert "example" not in letter.reason


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[", b"[1,]", b"[" * 100_000])
def test_what_is_no_list_is_one_dead_letter(body: bytes) -> None:
    received = SOURCE.read(Delivery(body), KEYS, NOW)
    assert [letter.body for letter in received.unreadable] == [body]
    assert received.events == []


def test_the_vendors_own_delivery_is_of_a_kind_that_is_left_out() -> None:
    assert SOURCE.read(Delivery(PAYLOAD), KEYS, NOW).unreadable == []
