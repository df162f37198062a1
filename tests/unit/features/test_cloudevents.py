from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.cloudevents import parse_cloudevents, to_cloudevent
from features.errors import InputError, InvalidEvent, TooLarge
from features.event import MAX_EVENTS, Event, EventType, check_event
from tests.unit.features.making import ANN, BOB, KEYS, NOW, event

ENVELOPE = {
    "specversion": "1.0",
    "id": "17",
    "source": "/shop/till-3",
    "type": "homing.purchase",
    "time": "2026-02-01T10:00:00Z",
    "data": {"customer": "7", "item": "lamp", "quantity": 2},
}


def test_an_envelope_becomes_an_event() -> None:
    (read,) = parse_cloudevents(ENVELOPE, KEYS, NOW)
    assert read == Event(
        id="/shop/till-3:17",
        type=EventType.PURCHASE,
        customer=KEYS.resolve("7"),
        occurred_at=datetime(2026, 2, 1, 10, tzinfo=UTC),
        item="lamp",
        quantity=2.0,
        source="/shop/till-3",
    )


def test_the_same_id_of_two_sources_is_two_events() -> None:
    read = parse_cloudevents([ENVELOPE, {**ENVELOPE, "source": "/shop/web"}], KEYS, NOW)
    assert [one.id for one in read] == ["/shop/till-3:17", "/shop/web:17"]


def test_an_event_becomes_an_envelope() -> None:
    made = event("/shop:5", source="/shop", value=3.0)
    assert to_cloudevent(made) == {
        "specversion": "1.0",
        "id": "5",
        "source": "/shop",
        "type": "homing.purchase",
        "time": "2026-03-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {"customer": ANN, "item": "lamp", "value": 3.0},
    }


names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)


@given(
    name=names,
    source=names,
    prefixed=st.booleans(),
    micros=st.integers(0, 10**15),
    quantity=st.floats(0.001, 1e6),
    value=st.none() | st.floats(0, 1e6),
    send=st.none() | names,
)
def test_out_and_in_again_is_the_same_event(  # noqa: PLR0913 - one argument a field
    *,
    name: str,
    source: str,
    prefixed: bool,
    micros: int,
    quantity: float,
    value: float | None,
    send: str | None,
) -> None:
    at = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    made = event(
        f"{source}:{name}" if prefixed else name,
        at,
        source=source,
        quantity=quantity,
        value=value,
        send=send,
    )
    over_the_wire = msgspec.json.decode(msgspec.json.encode([to_cloudevent(made)]))
    assert parse_cloudevents(over_the_wire, KEYS, NOW) == [made]


def test_a_slate_that_was_shown_goes_out_and_in_again() -> None:
    made = event(
        "sl_1",
        type=EventType.SLATE_SERVED,
        item=None,
        items=("lamp", "hat"),
        served_by="model",
        model="recommender/1",
    )
    over_the_wire = msgspec.json.decode(msgspec.json.encode(to_cloudevent(made)))
    assert over_the_wire["data"]["items"] == ["lamp", "hat"]
    assert parse_cloudevents(over_the_wire, KEYS, NOW) == [made]


@pytest.mark.parametrize(
    "made",
    [
        event("e", type=EventType.EMAIL_OPEN, machine=True),
        event("i", type=EventType.IDENTIFY, item=None, alias=BOB),
    ],
)
def test_robots_and_who_is_whom_go_out_and_in_again(made: Event) -> None:
    over_the_wire = msgspec.json.decode(msgspec.json.encode(to_cloudevent(made)))
    assert parse_cloudevents(over_the_wire, KEYS, NOW) == [made]


def test_an_id_that_is_nothing_but_the_prefix_survives() -> None:
    made = event("api:")
    assert parse_cloudevents(to_cloudevent(made), KEYS, NOW) == [made]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 17}, "id"),
        ({"source": None}, "source"),
        ({"time": None}, "time"),
        ({"time": "1970-01-01T00:00:00Z"}, "time"),
        ({"time": "noon"}, "time"),
        ({"type": "com.example.sale"}, "type"),
        ({"type": "homing.bought"}, "type"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"data": None}, "data"),
        ({"data": "7"}, "data"),
        ({"data": {"customer": "7", "item": "lamp", "type": "view"}}, "data.type"),
        ({"data": {"customer": "7"}}, "data.item"),
        ({"data": {"customer": "", "item": "lamp"}}, "data.customer"),
        ({"data": {"customer": "7", "item": "lamp", "colour": "red"}}, "data.colour"),
        ({"data": {"customer": "7", "item": "lamp", "id": ""}}, "data.id"),
        ({"id": "x" * 200}, "id"),
        ({"source": "a\nb"}, "id"),
    ],
)
def test_a_refusal_names_index_and_attribute(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_cloudevents([ENVELOPE, {**ENVELOPE, **change}], KEYS, NOW)
    (problem,) = caught.value.problems
    assert (problem.index, problem.field) == (1, field)
    assert problem.cure


def test_extensions_and_other_json_types_are_allowed() -> None:
    more = {"traceparent": "00-…", "subject": "x", "datacontenttype": "application/vnd.x+json"}
    assert parse_cloudevents({**ENVELOPE, **more}, KEYS, NOW) == parse_cloudevents(
        ENVELOPE, KEYS, NOW
    )


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="not a CloudEvent"):
        parse_cloudevents([7], KEYS, NOW)


def test_a_batch_that_is_too_long_is_refused_as_such() -> None:
    with pytest.raises(TooLarge, match="more than 1000"):
        parse_cloudevents([ENVELOPE] * (MAX_EVENTS + 1), KEYS, NOW)


@given(
    st.dictionaries(
        st.sampled_from(list(ENVELOPE)),
        st.none()
        | st.text()
        | st.integers()
        | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    )
)
def test_whatever_comes_there_are_events_or_a_declared_refusal(changes: dict[str, object]) -> None:
    try:
        read = parse_cloudevents({**ENVELOPE, **changes}, KEYS, NOW)
    except InputError:
        return
    assert check_event(read[0], NOW) is None
