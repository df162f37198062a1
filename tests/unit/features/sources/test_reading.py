from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, InvalidEvent, Problem
from features.event import Event
from features.sources.reading import (
    Gathered,
    Marks,
    customer_of,
    decoded,
    digest_of,
    elements,
    keeping,
    kept,
    marks_in,
    marks_of,
    moment_of,
    moment_since_1970,
    number_of,
    reason_of,
    refused,
    text_of,
)
from features.sources.source import Received, Unreadable
from tests.unit.features.making import KEYS, NOW, event, item

NUMBERS = msgspec.json.Decoder(list[int])


@pytest.mark.parametrize(
    ("sent", "text"),
    [(None, None), ("", None), (" ", None), (" 7 ", "7"), (7, "7"), (0, "0"), (10**40, None)],
)
def test_an_id_is_text_or_a_number(sent: str | int | None, text: str | None) -> None:
    assert text_of(sent) == text


@pytest.mark.parametrize(
    ("sent", "number"),
    [(None, None), ("", None), ("2.50", 2.5), (2, 2.0), (2.5, 2.5), ("1e400", math.inf)],
)
def test_money_is_text_or_a_number(sent: str | float | None, number: float | None) -> None:
    assert number_of(sent) == number


@pytest.mark.parametrize("sent", ["free", 10**400, "nan"])
def test_what_is_no_number_is_one_that_no_event_holds(sent: str | int) -> None:
    number = number_of(sent)
    assert number is not None
    assert math.isnan(number)


@pytest.mark.parametrize(
    "text", ["2026-03-01T00:00:00Z", "2026-03-01", "2026-03-01T01:00:00+01:00"]
)
def test_a_time_without_a_zone_is_in_utc(text: str) -> None:
    assert moment_of(text, "at") == NOW


@pytest.mark.parametrize("text", [None, "", "noon", "2026-13-01", "\ud800"])
def test_what_is_no_time_is_refused_by_its_field(text: str | None) -> None:
    with pytest.raises(InvalidEvent, match="at = a value: no time"):
        moment_of(text, "at")


@given(st.floats())
def test_seconds_are_a_time_or_are_refused(seconds: float) -> None:
    try:
        moment = moment_since_1970(seconds, "at")
    except InvalidEvent:
        return
    assert moment.tzinfo is UTC


def test_a_link_bears_the_marks_of_its_mail() -> None:
    url = (
        "https://shop.example/a?x=1&homing_item=lamp&homing_send=s%201&homing_slate=#homing_block=b"
    )
    assert marks_in(url) == Marks(item="lamp", send="s 1")
    for none in (None, "", "https://shop.example/?a=1", "http://[homing_item=1"):
        assert marks_in(none) == Marks()


def test_marks_that_could_be_no_id_are_left_out() -> None:
    named = {"item": "lamp", "send": "x" * 201, "slate": "a\nb", "block": 5}
    assert marks_of(named, prefix="") == Marks(item="lamp")
    assert marks_of(named) == Marks()


def test_of_an_address_without_end_the_beginning_is_read() -> None:
    assert marks_in(f"https://shop.example/?{'a=1&' * 10_000}homing_item=lamp") == Marks()


@given(st.text())
def test_any_text_may_stand_where_an_address_should(url: str) -> None:
    assert isinstance(marks_in(f"{url}?homing_item={url}"), Marks)


def test_a_customer_is_the_first_id_else_the_address() -> None:
    assert customer_of(KEYS, None, " ", 7, "8", email="ann@example.com") == KEYS.resolve("7")
    assert customer_of(KEYS, email=" Ann@Example.com") == KEYS.resolve("ann@example.com")
    for email in (None, "", " "):
        with pytest.raises(InvalidEvent, match="it names none"):
            customer_of(KEYS, None, email=email)


def test_json_is_of_the_decoders_type() -> None:
    assert decoded(b"[1]", NUMBERS) == [1]
    with pytest.raises(InvalidEvent, match=r"\[0\] = a value: Expected `int`, got `str`"):
        decoded(b'["ann"]', NUMBERS)


@pytest.mark.parametrize("body", [b"", b"\xff", b'"\xff"', b"[" * 10_000, b"nan", b'"\\ud800'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not JSON"):
        decoded(body, msgspec.json.Decoder())


@pytest.mark.parametrize(
    ("body", "parts"),
    [(b" [1, {}]", [b"1", b"{}"]), (b'{"a": [1]}', [b'{"a": [1]}']), (b"", [b""]), (b"[]", [])],
)
def test_a_list_has_elements_and_anything_else_is_one(body: bytes, parts: list[bytes]) -> None:
    assert [bytes(part) for part in elements(body)] == parts


def test_a_digest_tells_parts_apart() -> None:
    assert digest_of("ab", "c") == digest_of("ab", "c")
    assert len({digest_of("ab", "c"), digest_of("a", "bc"), digest_of("abc"), digest_of()}) == 4
    assert len(digest_of("\ud800")) == 32


def test_an_event_is_kept_in_utc_and_within_its_limits() -> None:
    abroad = datetime.fromisoformat("2026-03-01T01:00:00+01:00")
    assert kept(event("e", abroad), NOW).occurred_at.tzinfo is UTC
    with pytest.raises(InvalidEvent, match="quantity"):
        kept(event("e", quantity=-1.0), NOW)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Object contains unknown field `ann`", "it has a field that is not known; mend it"),
        ("Invalid enum value 'ann'", "not one of the known values; mend it"),
        ("too long", "send: too long; mend it"),
    ],
)
def test_a_reason_says_nothing_of_what_was_sent(reason: str, said: str) -> None:
    problem = Problem(index=None, field="send", value="ann", reason=reason, cure="mend it")
    assert reason_of(InputError([problem])) == said
    bare = msgspec.structs.replace(problem, field="", reason="too long")
    assert reason_of(InputError([bare])) == "too long; mend it"


def test_what_cant_be_read_of_a_delivery_does_not_silence_the_rest() -> None:
    gathered, wrong = Gathered(), refused("send", "too long", "mend it")

    def nothing() -> list[Event]:
        raise wrong

    gathered.add(b"1", keeping(lambda: [event("e")], NOW))
    gathered.add(b"2", nothing)
    gathered.add(b"2", keeping(lambda: [event("late", quantity=0.0)], NOW))
    gathered.add(b"3", nothing)
    gathered.put(b"4", item("sofa", title=""))
    gathered.put(b"5", item("lamp"))
    gathered.lose("hat")
    letters = [
        Unreadable(b"2", "send: too long; mend it"),
        Unreadable(b"3", "send: too long; mend it"),
        Unreadable(b"4", "title: no title; send what a reader should see"),
    ]
    assert gathered.received() == Received([event("e")], letters, [item("lamp")], ["hat"])
