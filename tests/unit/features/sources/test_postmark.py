from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from features.errors import SettingsError
from features.event import Event, EventType
from features.sources.postmark import Postmark
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
    body,
    is_refused,
    only,
    passes,
    read,
)

SOURCE = Postmark(["homing:a pass:word"])
MESSAGE = "883953f4-6105-42a2-a16a-77a8eac79483"

# As in the pages of each webhook.
OPEN: JSON = {
    "RecordType": "Open",
    "MessageStream": "outbound",
    "FirstOpen": True,
    "Client": {"Name": "Chrome 122", "Company": "Google", "Family": "Chrome"},
    "OS": {"Name": "Linux", "Company": "", "Family": "Linux"},
    "Platform": "Desktop",
    "UserAgent": CHROME,
    "Geo": {"IP": "188.2.95.4"},
    "MessageID": MESSAGE,
    "Metadata": {"a_key": "a_value"},
    "ReceivedAt": "2019-11-05T16:33:54.9070259Z",
    "Tag": "welcome-email",
    "Recipient": EMAIL,
}
BOUNCE: JSON = {
    "RecordType": "Bounce",
    "ID": 692560173,
    "Type": "HardBounce",
    "TypeCode": 1,
    "MessageID": MESSAGE,
    "Email": EMAIL,
    "BouncedAt": "2019-11-05T16:33:54.9070259-05:00",
    "Metadata": None,
}
CHANGE: JSON = {
    "RecordType": "SubscriptionChange",
    "MessageID": MESSAGE,
    "ChangedAt": "2020-02-01T10:53:34.416071Z",
    "Recipient": EMAIL,
    "Origin": "Recipient",
    "SuppressSending": True,
    "SuppressionReason": "ManualSuppression",
}


def shown(credentials: str) -> Delivery:
    encoded = base64.b64encode(credentials.encode()).decode()
    return Delivery(b"{}", {"authorization": f"Basic {encoded}"})


def test_user_and_password_pass() -> None:
    assert passes(SOURCE, shown("homing:a pass:word"), NOW)


@pytest.mark.parametrize("credentials", ["homing:new", "homing:old"])
def test_either_of_two_passes(credentials: str) -> None:
    assert passes(Postmark(["homing:new", "homing:old"]), shown(credentials), NOW)


@pytest.mark.parametrize(
    "credentials", ["", ":", "homing:", "homing:a pass:wor", "Homing:a pass:word"]
)
def test_anything_else_is_refused(credentials: str) -> None:
    is_refused(SOURCE, shown(credentials), NOW, "user and password")


def test_no_credentials_are_refused() -> None:
    is_refused(SOURCE, Delivery(b"{}"), NOW, "no user and password")


def test_a_secret_without_a_colon_is_set_up_wrongly() -> None:
    with pytest.raises(SettingsError, match="USER:PASSWORD"):
        Postmark(["homing"])


def test_an_open_is_read() -> None:
    event = only(SOURCE, OPEN)
    assert event == Event(
        id=event.id,
        type=EventType.EMAIL_OPEN,
        customer=ANN,
        occurred_at=datetime(2019, 11, 5, 16, 33, 54, 907025, UTC),
        send=MESSAGE,
        source="postmark",
    )
    assert event.id == only(SOURCE, OPEN).id
    assert event.id != only(SOURCE, {**OPEN, "ReceivedAt": "2019-11-05T16:33:55Z"}).id


def test_a_bounce_has_an_id() -> None:
    assert only(SOURCE, BOUNCE) == Event(
        id="postmark:692560173",
        type=EventType.EMAIL_BOUNCE,
        customer=ANN,
        occurred_at=datetime(2019, 11, 5, 21, 33, 54, 907025, UTC),
        send=MESSAGE,
        source="postmark",
    )


def test_metadata_names_customer_and_send() -> None:
    event = only(SOURCE, {**OPEN, "Metadata": {"customer": "7", "send": "spring"}})
    assert (event.customer, event.send) == (SEVEN, "spring")


def test_a_click_says_which_item() -> None:
    event = only(SOURCE, {**OPEN, "RecordType": "Click", "OriginalLink": CLICKED})
    assert (event.type, event.item) == (EventType.EMAIL_CLICK, "lamp")


def test_a_delivery_is_read() -> None:
    delivered = {
        "RecordType": "Delivery",
        "MessageID": MESSAGE,
        "Recipient": EMAIL,
        "DeliveredAt": "2019-11-05T16:33:54.9070259Z",
    }
    assert only(SOURCE, delivered).type is EventType.EMAIL_DELIVERED


def test_of_one_mail_to_two_each_has_an_event() -> None:
    assert only(SOURCE, OPEN).id != only(SOURCE, {**OPEN, "Recipient": "bob@example.com"}).id


def test_robots_are_marked() -> None:
    assert only(SOURCE, {**OPEN, "UserAgent": APPLE}).machine
    assert not only(SOURCE, OPEN).machine


@pytest.mark.parametrize(
    ("record", "type_"),
    [
        ({**BOUNCE, "RecordType": "SpamComplaint", "Type": "SpamComplaint"}, "email_complaint"),
        ({**BOUNCE, "Type": "SpamComplaint"}, "email_complaint"),
        ({**BOUNCE, "Type": "Unsubscribe"}, "unsubscribe"),
        ({**BOUNCE, "Type": "SoftBounce"}, "email_bounce"),
        ({**BOUNCE, "Type": "BadEmailAddress"}, "email_bounce"),
        (CHANGE, "unsubscribe"),
        ({**CHANGE, "Origin": "Admin"}, "unsubscribe"),
    ],
)
def test_what_ends_mail_is_told_apart(record: JSON, type_: str) -> None:
    assert only(SOURCE, record).type == type_


@pytest.mark.parametrize(
    "record",
    [
        {**BOUNCE, "Type": "Transient"},
        {**BOUNCE, "Type": "AutoResponder"},
        {**BOUNCE, "Type": "Subscribe"},
        {**CHANGE, "SuppressSending": False, "SuppressionReason": None},
        {**CHANGE, "SuppressSending": False},
        {**CHANGE, "SuppressionReason": "HardBounce"},
        {**CHANGE, "SuppressionReason": "SpamComplaint"},
        {"RecordType": "Inbound", "MessageID": MESSAGE},
    ],
)
def test_other_kinds_are_left_out(record: JSON) -> None:
    received = read(SOURCE, record)
    assert (received.events, received.unreadable) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [
        {**OPEN, "ReceivedAt": "yesterday"},
        {**OPEN, "ReceivedAt": ""},
        {**OPEN, "Recipient": None},
        {**OPEN, "Metadata": {"customer": ["7"]}},
        {"FromFull": {"Email": "from@example.org"}},
    ],
)
def test_what_is_wrong_is_a_dead_letter(wrong: JSON) -> None:
    received = SOURCE.read(Delivery(body(wrong)), KEYS, NOW)
    assert [letter.body for letter in received.unreadable] == [body(wrong)]
