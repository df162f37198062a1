from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.event import Event, EventType
from features.sources.mail import Report, Tags, read_mail, whole
from features.sources.source import Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import ANN, CLICKED, EMAIL, SEVEN

OPENED = Report(type=EventType.EMAIL_OPEN, at=NOW, id="1", email=EMAIL, message="m-1")


def read(report: Report | None) -> Received:
    return read_mail("post", b"{}", whole, lambda _: report, KEYS, NOW)


def event(report: Report, **fields: object) -> Event:
    (read_event,) = read(msgspec.structs.replace(report, **fields)).events
    return read_event


def test_a_mail_is_its_recipients() -> None:
    assert event(OPENED) == Event(
        id="post:1",
        type=EventType.EMAIL_OPEN,
        customer=ANN,
        occurred_at=NOW,
        send="m-1",
        source="post",
    )


def test_the_shops_own_words_come_before_the_platforms() -> None:
    tags = Tags(customer=7, send="spring", block="hero", slate="s-1", item=12)
    told = event(OPENED, tags=tags)
    assert (told.customer, told.send, told.block) == (SEVEN, "spring", "hero")
    assert (told.slate, told.item) == ("s-1", "12")


def test_a_link_says_more_than_the_mail() -> None:
    told = event(OPENED, tags=Tags(item="chair", slate="s-1"), link=CLICKED)
    assert (told.item, told.block, told.slate, told.send) == ("lamp", "hero", "s-1", "m-1")


def test_the_address_of_a_link_is_not_kept() -> None:
    kept = msgspec.json.encode(event(OPENED, link=CLICKED, id=None))
    assert b"shop.example" not in kept
    assert b"ann" not in kept


@pytest.mark.parametrize("other", [None, "", "  ", True, 1.5, [], {"sku": 1}, "x" * 201, "a\nb"])
def test_words_that_a_shop_uses_for_its_own_ends_are_left_out(other: object) -> None:
    told = event(OPENED, tags=Tags(send=other, block=other, slate=other, item=other))
    assert (told.send, told.block, told.slate, told.item) == ("m-1", None, None, None)


def test_a_platforms_id_that_could_be_none_is_left_out() -> None:
    assert event(OPENED, message="m" * 201).send is None


def test_an_occurrence_without_an_id_has_the_same_when_it_comes_again() -> None:
    assert event(OPENED, id=None).id == event(OPENED, id=None).id
    assert event(OPENED, id=None).id.startswith("post:")


@pytest.mark.parametrize(
    "other",
    [
        {"type": EventType.EMAIL_CLICK},
        {"at": NOW.replace(microsecond=1)},
        {"email": "bob@example.com"},
        {"message": "m-2"},
        {"link": "https://shop.example/"},
    ],
)
def test_another_occurrence_has_another_id(other: dict[str, object]) -> None:
    assert event(OPENED, id=None).id != event(OPENED, id=None, **other).id


def test_what_nobody_did_is_a_dead_letter_that_names_nobody() -> None:
    (letter,) = read(msgspec.structs.replace(OPENED, email=" ")).unreadable
    assert letter.body == b"{}"
    assert letter.reason.startswith("customer: it names none;")


def test_a_limit_that_is_broken_makes_a_dead_letter_without_the_value() -> None:
    (letter,) = read(msgspec.structs.replace(OPENED, id="ann@example.com" * 20)).unreadable
    assert letter.reason.startswith("id: not a usable name")
    assert "ann" not in letter.reason


def test_a_kind_of_which_nothing_is_kept_leaves_no_trace() -> None:
    assert read(None) == Received([], [], [], [])


@pytest.mark.parametrize(
    ("fields", "robot"),
    [
        ({}, True),
        ({"message": "m-2"}, False),
        ({"email": "bob@example.com"}, False),
        ({"tags": Tags(customer=7)}, False),
    ],
)
def test_a_burst_is_of_one_mail_to_one_customer(fields: dict[str, object], *, robot: bool) -> None:
    click = msgspec.structs.replace(OPENED, type=EventType.EMAIL_CLICK)
    clicks = {
        link: msgspec.structs.replace(click, id=link.decode(), link=link.decode())
        for link in (b"1", b"2", b"3")
    }
    clicks[b"3"] = msgspec.structs.replace(clicks[b"3"], **fields)
    told = read_mail("post", b"", lambda _: clicks, lambda part: clicks[bytes(part)], KEYS, NOW)
    assert [one.machine for one in told.events] == [robot] * 3


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_any_text_is_an_event_or_a_dead_letter(email: str, link: str) -> None:
    received = read(msgspec.structs.replace(OPENED, id=None, email=email, link=link, message=link))
    assert len(received.events) + len(received.unreadable) == 1
