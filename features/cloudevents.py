"""CloudEvents 1.0 in JSON, structured and batched, in and out (CNCF, cloudevents/spec v1.0.2).

`type` is `homing.` and the event's own type; `time` is when it happened; `data` holds the other
fields, `customer` among them. The specification makes `source` and `id` unique together, so the
event's id is `SOURCE:ID`. Going out, that prefix is taken off again; an id that does not bear it
travels as `data.id`. Extension attributes and `subject` are allowed and not read.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from features.errors import InputError, InvalidEvent, Problem, shorten
from features.event import MAX_EVENTS, Event, parse_each, parse_event
from features.identity import CustomerKeys

CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENT_BATCH = "application/cloudevents-batch+json"
TYPE_PREFIX = "homing."
VERSION = "1.0"

_ENVELOPE = {"type": "type", "occurred_at": "time", "source": "source"}
"""Fields of an event that are attributes of the envelope; all others are in `data`."""


def parse_cloudevents(raw: object, keys: CustomerKeys, now: datetime) -> list[Event]:
    """Events from one structured CloudEvent or a batch of them, whole or not at all.

    Args:
        raw: The decoded JSON: an object, or a list of objects.
        keys: Turns the senders' customer ids into keys.
        now: Our clock, aware.

    Raises:
        InvalidEvent: Any element is refused; up to `MAX_PROBLEMS` problems, each with its index,
            field (`time`, `data.item` …), value and cure.
        TooLarge: More than `MAX_EVENTS` elements.
    """
    events, problems = parse_each(raw, lambda one: _parse(one, keys, now), MAX_EVENTS)
    if problems:
        raise InvalidEvent(problems)
    return events


def to_cloudevent(event: Event) -> dict[str, object]:
    """The event as a structured CloudEvent of plain JSON values; reading it gives it back."""
    data = msgspec.to_builtins(event)
    name = event.id.removeprefix(f"{event.source}:")
    if name == event.id or not name:
        name = event.id
    else:
        del data["id"]
    data.pop("source", None)
    return {
        "specversion": VERSION,
        "id": name,
        "source": event.source,
        "type": f"{TYPE_PREFIX}{data.pop('type')}",
        "time": data.pop("occurred_at"),
        "datacontenttype": "application/json",
        "data": data,
    }


def _problem(field: str, value: object, reason: str, cure: str) -> Problem:
    return Problem(index=None, field=field, value=shorten(value), reason=reason, cure=cure)


def _parse(element: object, keys: CustomerKeys, now: datetime) -> Event:
    if not isinstance(element, dict):
        cure = "send an object with specversion, id, source, type, time and data"
        raise InvalidEvent([_problem("", type(element).__name__, "not a CloudEvent", cure)])
    problem = _envelope_problem(element) or _content_problem(element)
    if problem is not None:
        raise InvalidEvent([problem])
    data = element["data"]
    wire = {
        "id": f"{element['source']}:{element['id']}",
        **data,
        "type": element["type"].removeprefix(TYPE_PREFIX),
        "occurred_at": element["time"],
        "source": element["source"],
    }
    try:
        return parse_event(wire, keys, now)
    except InputError as error:
        raise InvalidEvent([_renamed(p, data) for p in error.problems]) from error


def _envelope_problem(element: dict[str, object]) -> Problem | None:
    if element.get("specversion") != VERSION:
        cure = f'send "specversion": "{VERSION}"'
        return _problem("specversion", element.get("specversion"), "not CloudEvents 1.0", cure)
    for field in ("id", "source", "type", "time"):
        value = element.get(field)
        if not isinstance(value, str) or not value:
            return _problem(field, value, "no text", f"send {field} as text that is not empty")
    if not str(element["type"]).startswith(TYPE_PREFIX):
        cure = f"send {TYPE_PREFIX}purchase, {TYPE_PREFIX}view and so on"
        return _problem("type", element["type"], "not one of our types", cure)
    return None


def _content_problem(element: dict[str, object]) -> Problem | None:
    content = element.get("datacontenttype", "application/json")
    kind = str(content).partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return _problem("datacontenttype", content, "not JSON", "send data as a JSON object")
    data = element.get("data")
    if not isinstance(data, dict):
        # Its text may name a person: the message tells its type alone.
        value = type(data).__name__
        return _problem("data", value, "not an object", 'send {"customer": …, "item": …}')
    for field, attribute in _ENVELOPE.items():
        if field in data:
            cure = f"send it as the attribute {attribute} only"
            return _problem(f"data.{field}", data[field], "belongs to the envelope", cure)
    return None


def _renamed(problem: Problem, data: dict[str, object]) -> Problem:
    """The problem under the name that the sender used."""
    name = problem.field
    if name == "id" and "id" not in data:
        return msgspec.structs.replace(
            problem, cure="send a source and an id of at most 199 printable characters together"
        )
    field = _ENVELOPE.get(name, f"data.{name}" if name else "data")
    return msgspec.structs.replace(problem, field=field)
