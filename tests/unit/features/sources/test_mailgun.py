from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from features.event import Event, EventType
from features.sources.mailgun import RETRIED, Mailgun
from features.sources.source import Delivery
from tests.unit.features.making import NOW
from tests.unit.features.sources.mailing import (
    ANN,
    APPLE,
    CHROME,
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
)

# The vendor's own: mailgun/mailgun-php, tests/Api/WebhookTest.php.
KEY = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
SIGNATURE = {
    "timestamp": "1403645220",
    "token": "5egbgr1vjgqxtrnp65xfznchgdccwh5d6i09vijqi3whgowmn6",
    "signature": "9cfc5c41582e51246e73c88d34db3af0a3a2692a76fbab81492842f000256d33",
}
OTHER_TOKEN = "owyldpe6nxhmrn78epljl6bj0orrki1u3d2v5e6cnlmmuox8jr"
ARRIVAL = datetime.fromtimestamp(1403645220, UTC)
SOURCE = Mailgun([KEY])

# As in "Webhook Payloads" and "Open and Click Bot Detection".
TOLD: JSON = {
    "account": {"id": "1234567890303a4bd1f33898"},
    "domain": {"name": "sample.mailgun.com"},
    "event": "opened",
    "id": "Ase7i2zsRYeDXztHGENqRA",
    "log-level": "info",
    "timestamp": 1521243339.873676,
    "recipient": EMAIL,
    "ip": "50.56.129.169",
    "tags": ["my_tag_1"],
    "campaigns": [],
    "client-info": {
        "client-name": "Chrome",
        "client-os": "Linux",
        "device-type": "desktop",
        "user-agent": CHROME,
        "bot": "",
    },
    "message": {"headers": {"message-id": "20130503182626.18666.16540@sample.mailgun.com"}},
    "user-variables": {},
}


def signed(**fields: object) -> Delivery:
    return Delivery(body({"signature": {**SIGNATURE, **fields}, "event-data": TOLD}))


def told(**fields: object) -> JSON:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return {"signature": SIGNATURE, "event-data": {**TOLD, **named}}


def test_the_vendors_own_signature_passes() -> None:
    assert passes(SOURCE, signed(), ARRIVAL)


@pytest.mark.parametrize("keys", [[KEY, "another"], ["another", KEY]])
def test_either_of_two_keys_passes(keys: list[str]) -> None:
    assert passes(Mailgun(keys), signed(), ARRIVAL)


def test_a_time_that_is_a_number_is_the_same() -> None:
    assert passes(SOURCE, signed(timestamp=1403645220), ARRIVAL)


def test_of_a_subaccount_the_main_accounts_signature_passes() -> None:
    own = SIGNATURE["signature"][::-1]
    delivery = signed(signature=own, **{"parent-signature": SIGNATURE["signature"]})
    assert passes(SOURCE, delivery, ARRIVAL)


@pytest.mark.parametrize(
    "fields",
    [
        {"token": OTHER_TOKEN},
        {"token": ""},
        {"timestamp": "1403645221"},
        {"timestamp": None},
        {"timestamp": True},
        {"signature": "9cfc"},
        {"signature": "é"},
        {"signature": None},
    ],
)
def test_any_other_signature_is_refused(fields: dict[str, object]) -> None:
    assert not passes(SOURCE, signed(**fields), ARRIVAL)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"a":' * 50_000])
def test_a_body_without_a_signature_is_refused(raw: bytes) -> None:
    is_refused(SOURCE, Delivery(raw), ARRIVAL, "no signature")


def test_what_was_signed_tells_a_delivery_from_another() -> None:
    assert SOURCE.verify(signed(), ARRIVAL) == SIGNATURE["timestamp"] + SIGNATURE["token"]


def test_where_the_time_ends_and_the_token_begins_makes_no_other_delivery() -> None:
    # The signature is the same wherever the two are parted.
    mac = hmac.digest(KEY.encode(), b"14036452201", hashlib.sha256).hex()
    parted = signed(timestamp="14036452201", token="", signature=mac)
    whole = signed(timestamp="1403645220", token="1", signature=mac)
    assert SOURCE.verify(whole, ARRIVAL) == "14036452201"
    assert not passes(SOURCE, parted, ARRIVAL)


def test_the_last_retry_passes_and_a_later_one_does_not() -> None:
    assert passes(SOURCE, signed(), ARRIVAL + RETRIED)
    is_refused(SOURCE, signed(), ARRIVAL + RETRIED + timedelta(seconds=1), "more than 32400 s")


def test_an_open_is_read_with_its_day_before_an_id_that_is_unique_within_it() -> None:
    assert only(SOURCE, told()) == Event(
        id="mailgun:2018-03-16:Ase7i2zsRYeDXztHGENqRA",
        type=EventType.EMAIL_OPEN,
        customer=ANN,
        occurred_at=at(1521243339.873676),
        send="20130503182626.18666.16540@sample.mailgun.com",
        source="mailgun",
    )


def test_user_variables_name_customer_and_send() -> None:
    event = only(SOURCE, told(user_variables={"customer": 7, "send": "spring", "mine": {"a": []}}))
    assert (event.customer, event.send) == (SEVEN, "spring")


def test_a_click_says_which_item() -> None:
    event = only(SOURCE, told(event="clicked", url=CLICKED, user_variables=None))
    assert (event.type, event.item) == (EventType.EMAIL_CLICK, "lamp")


@pytest.mark.parametrize(
    ("event", "client", "machine"),
    [
        ("opened", {"bot": "", "user-agent": CHROME}, False),
        ("opened", {"bot": "apple", "user-agent": APPLE}, True),
        ("opened", {"user-agent": APPLE}, True),
        ("opened", {"bot": "generic"}, True),
        ("opened", {"bot": "gmail", "user-agent": f"{CHROME} GoogleImageProxy"}, False),
        ("clicked", {"bot": "gmail"}, True),
        ("clicked", {"user-agent": "Barracuda Sentinel"}, True),
        ("clicked", {}, False),
    ],
)
def test_robots_are_marked(event: str, client: dict[str, str], *, machine: bool) -> None:
    assert only(SOURCE, told(event=event, client_info=client)).machine is machine


@pytest.mark.parametrize(
    ("event", "type_"),
    [
        ("accepted", EventType.EMAIL_SENT),
        ("delivered", EventType.EMAIL_DELIVERED),
        ("unsubscribed", EventType.UNSUBSCRIBE),
        ("complained", EventType.EMAIL_COMPLAINT),
    ],
)
def test_every_kind_becomes_ours(event: str, type_: EventType) -> None:
    assert only(SOURCE, told(event=event)).type is type_


def test_only_a_failure_for_good_is_a_bounce() -> None:
    failed = told(event="failed", severity="permanent", reason="bounce")
    assert only(SOURCE, failed).type is EventType.EMAIL_BOUNCE


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "failed", "severity": "temporary", "reason": "greylisted"},
        {"event": "failed", "severity": "permanent", "reason": "suppress-bounce"},
        {"event": "rejected"},
        {"event": "stored"},
    ],
)
def test_other_kinds_are_left_out(fields: dict[str, str]) -> None:
    received = read(SOURCE, told(**fields))
    assert (received.events, received.unreadable) == ([], [])


@pytest.mark.parametrize(
    "fields", [{"id": None}, {"timestamp": 1e20}, {"recipient": ""}, {"user_variables": []}]
)
def test_what_is_wrong_is_a_dead_letter(fields: dict[str, object]) -> None:
    payload = told(**fields)
    received = read(SOURCE, payload, NOW)
    assert [letter.body for letter in received.unreadable] == [body(payload)]
    assert received.events == []
