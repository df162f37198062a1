"""Overrides are refused with the thing, the value and the cure, and are kept by their ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from features.errors import InvalidArgument, TooLarge
from features.override import MAX_OVERRIDES, Action, parse_override, parse_overrides

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAN = {"action": "ban", "item": "tea"}


def test_a_short_override_says_the_rest_by_itself() -> None:
    ban = parse_override(BAN, NOW)
    assert (ban.action, ban.item, ban.block, ban.segment, ban.created_at) == (
        Action.BAN,
        "tea",
        None,
        None,
        NOW,
    )
    assert (ban.position, ban.strength) == (None, None)
    assert parse_override({"action": "pin", "item": "tea"}, NOW).position == 1
    assert parse_override({"action": "boost", "item": "tea"}, NOW).strength == 1.0


def test_what_was_said_is_kept_and_times_are_in_utc() -> None:
    said = {
        "id": "spring:1",
        "action": "pin",
        "item": "tea",
        "block": "hero",
        "segment": "loyal",
        "position": 3,
        "starts_at": "2026-03-02T01:00:00+02:00",
        "ends_at": "2026-03-03T00:00:00Z",
        "note": "the spring campaign",
    }
    pin = parse_override(said, NOW)
    assert pin.starts_at == datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert pin.starts_at.tzinfo is UTC
    assert (pin.id, pin.block, pin.segment, pin.position) == ("spring:1", "hero", "loyal", 3)
    assert pin.note == "the spring campaign"


def test_an_override_without_an_id_has_one_of_what_it_says() -> None:
    one = parse_override(BAN, NOW)
    same = parse_override({**BAN, "note": "another", "id": None}, NOW + timedelta(days=1))
    other = parse_override({**BAN, "block": "hero"}, NOW)
    assert one.id == same.id
    assert one.id != other.id


def test_it_is_in_force_from_its_start_until_its_end() -> None:
    start, end = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    ban = parse_override({**BAN, "starts_at": str(start), "ends_at": str(end)}, NOW)
    moments = (NOW, start, end - timedelta(microseconds=1), end)
    assert [ban.in_force(moment) for moment in moments] == [False, True, True, False]
    assert [ban.ended(moment) for moment in moments] == [False, False, False, True]
    assert parse_override(BAN, NOW).in_force(NOW - timedelta(days=9))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "action"),
        ({**BAN, "action": "hide"}, r"action = 'hide'"),
        ({**BAN, "colour": "red"}, "unknown field `colour`"),
        ({**BAN, "item": ""}, "item = .*1 to 200 printable characters"),
        ({**BAN, "item": "te\na"}, "item = .*printable"),
        ({**BAN, "id": "a/b"}, "id = .*1 to 64 letters"),
        ({**BAN, "block": ""}, "block = "),
        ({**BAN, "segment": "s" * 201}, "segment = "),
        ({**BAN, "position": 1}, "position = 1: a ban has none"),
        ({**BAN, "strength": 0.5}, "strength = 0.5: a ban has none"),
        ({**BAN, "action": "pin", "strength": 0.5}, "a pin has none"),
        ({**BAN, "action": "pin", "position": 0}, "position = 0: out of range; send 1 to 50"),
        ({**BAN, "action": "pin", "position": 51}, "position = 51"),
        ({**BAN, "action": "boost", "strength": 0}, "strength = 0.0: out of range"),
        ({**BAN, "action": "boost", "strength": 1.1}, "strength = 1.1: out of range"),
        ({**BAN, "note": "n" * 501}, "note = .*at most 500"),
        ({**BAN, "ends_at": "2026-04-01T00:00:00"}, "ends_at = .*no time zone"),
        ({**BAN, "ends_at": "0001-01-01T00:00:00Z"}, "ends_at = .*out of range"),
        ({**BAN, "ends_at": "2026-03-01T12:00:00Z"}, "ends_at = .*in the past"),
        (
            {**BAN, "starts_at": "2026-04-02T00:00:00Z", "ends_at": "2026-04-02T00:00:00Z"},
            "ends_at = .*before it starts",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_cure(
    said: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_override(said, NOW)


def test_a_list_is_taken_whole_or_not_at_all() -> None:
    both = [BAN, {**BAN, "block": "hero"}]
    assert [one.block for one in parse_overrides(both, NOW)] == [None, "hero"]
    assert len(parse_overrides(BAN, NOW)) == 1
    with pytest.raises(InvalidArgument, match=r"\[1\]\.action"):
        parse_overrides([BAN, {**BAN, "action": "hide"}], NOW)
    with pytest.raises(TooLarge, match="1001 elements"):
        parse_overrides([BAN] * (MAX_OVERRIDES + 1), NOW)
