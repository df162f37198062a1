from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from features.event import Event, EventType
from features.sources.mailchimp import Mailchimp
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import ANN, EMAIL, SEVEN, is_refused, passes

SOURCE = Mailchimp(["a secret"])

# As in "Sync Audience Data with Webhooks".
UNSUBSCRIBED = {
    "type": "unsubscribe",
    "fired_at": "2009-03-26 21:40:57",
    "data[action]": "unsub",
    "data[reason]": "manual",
    "data[id]": "8a25ff1d98",
    "data[list_id]": "a6b5da1054",
    "data[email]": EMAIL,
    "data[email_type]": "html",
    "data[merges][EMAIL]": EMAIL,
    "data[merges][FNAME]": "Ann",
    "data[merges][INTERESTS]": "Group1,Group2",
    "data[ip_opt]": "10.20.10.30",
    "data[campaign_id]": "cb398d21d2",
}


def received(**fields: str) -> Received:
    form = {**UNSUBSCRIBED, **fields}
    return SOURCE.read(Delivery(urlencode(form).encode()), KEYS, NOW)


def only(**fields: str) -> Event:
    (event,) = received(**fields).events
    return event


def test_the_secret_in_the_address_passes() -> None:
    assert passes(SOURCE, Delivery(b"", query={"secret": "a secret"}), NOW)


@pytest.mark.parametrize("secret", ["new", "old"])
def test_either_of_two_secrets_passes(secret: str) -> None:
    assert passes(Mailchimp(["new", "old"]), Delivery(b"", query={"secret": secret}), NOW)


@pytest.mark.parametrize("query", [{}, {"secret": ""}, {"secret": "A secret"}, {"key": "a secret"}])
def test_anything_else_is_refused(query: dict[str, str]) -> None:
    is_refused(SOURCE, Delivery(b"", {"secret": "a secret"}, query), NOW, "address")


def test_an_unsubscription_is_read() -> None:
    event = only()
    assert event == Event(
        id=event.id,
        type=EventType.UNSUBSCRIBE,
        customer=ANN,
        occurred_at=datetime(2009, 3, 26, 21, 40, 57, tzinfo=UTC),
        send="cb398d21d2",
        source="mailchimp",
    )
    assert event.id == only().id
    assert event.id != only(fired_at="2009-03-26 21:40:58").id


def test_a_merge_field_names_the_customer() -> None:
    assert only(**{"data[merges][CUSTOMER]": "7"}).customer == SEVEN


def test_without_a_campaign_no_send_is_named() -> None:
    assert only(**{"data[campaign_id]": ""}).send is None


@pytest.mark.parametrize(
    ("fields", "type_"),
    [
        ({"data[reason]": "abuse"}, EventType.EMAIL_COMPLAINT),
        ({"data[action]": "delete"}, EventType.UNSUBSCRIBE),
        ({"type": "cleaned", "data[reason]": "hard"}, EventType.EMAIL_BOUNCE),
        ({"type": "cleaned", "data[reason]": "abuse"}, EventType.EMAIL_COMPLAINT),
    ],
)
def test_what_ends_mail_is_told_apart(fields: dict[str, str], type_: EventType) -> None:
    assert only(**fields).type is type_


@pytest.mark.parametrize("kind", ["subscribe", "profile", "upemail", "campaign"])
def test_other_kinds_are_left_out(kind: str) -> None:
    assert (received(type=kind).events, received(type=kind).unreadable) == ([], [])


@pytest.mark.parametrize(
    "fields", [{"type": ""}, {"fired_at": "yesterday"}, {"data[email]": ""}, {"fired_at": ""}]
)
def test_what_is_wrong_is_a_dead_letter(fields: dict[str, str]) -> None:
    (letter,) = received(**fields).unreadable
    assert b"data%5Blist_id%5D" in letter.body
    assert "example" not in letter.reason
