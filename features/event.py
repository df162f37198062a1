"""Something that happened: the event, its types, and reading it from JSON.

The wire form is one JSON object; a list of them is read whole or not at all, so that a sender who
is refused can mend and send everything again (an id that is already known changes nothing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec

from features.errors import UNDECODABLE, InputError, InvalidEvent, Problem, TooLarge, shorten
from features.identity import CustomerKeys

MAX_EVENTS = 1_000
"""Events in one request."""
MAX_TEXT = 200
"""Characters of an id or a name."""
MAX_ITEMS = 50
"""Items of one slate."""
MAX_PROBLEMS = 20
"""Problems that one refusal lists."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""How far ahead of our clock a sender's clock may run."""

Parsed = TypeVar("Parsed")

_PERSONAL = frozenset({"customer", "customers", "alias"})
"""Fields whose refused values no message repeats."""


class EventType(StrEnum):
    """What can happen."""

    VIEW = "view"
    CART = "cart"
    PURCHASE = "purchase"
    RETURN = "return"
    SEARCH = "search"
    EMAIL_SENT = "email_sent"
    EMAIL_DELIVERED = "email_delivered"
    EMAIL_OPEN = "email_open"
    EMAIL_CLICK = "email_click"
    EMAIL_BOUNCE = "email_bounce"
    EMAIL_COMPLAINT = "email_complaint"
    UNSUBSCRIBE = "unsubscribe"
    SUPPORT_CONTACT = "support_contact"
    SLATE_SERVED = "slate_served"
    IDENTIFY = "identify"


NEEDS_ITEM = frozenset({EventType.VIEW, EventType.CART, EventType.PURCHASE, EventType.RETURN})


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that happened to one customer.

    Attributes:
        id: Unique over all sources; the same id again changes nothing.
        type: What happened.
        customer: The customer key.
        occurred_at: When, aware, UTC.
        item: The item's id; an event with an item is an interaction.
        quantity: Units, positive; a return counts what came back.
        value: Money of the whole line in `currency`, from 0; a return says what was paid back.
        currency: ISO 4217 code.
        block: Place in the e-mail.
        send: The e-mail's id.
        slate: The slate that it answers to.
        source: Who reported it.
        items: What a slate showed, in its order; of `slate_served` alone, as the two that follow.
        served_by: The rung that it came from.
        model: The version that ranked it.
        machine: Whether a robot did it and no person: kept in the lake, left out of profiles and
            training.
        alias: The key of an anonymous id that turned out to be this customer; of `identify` alone.
    """

    id: str
    type: EventType
    customer: str
    occurred_at: datetime
    item: str | None = None
    quantity: float = 1.0
    value: float | None = None
    currency: str | None = None
    block: str | None = None
    send: str | None = None
    slate: str | None = None
    source: str = "api"
    items: tuple[str, ...] = ()
    served_by: str | None = None
    model: str | None = None
    machine: bool = False
    alias: str | None = None


class WireEvent(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An event as a sender writes it: `customer` and `alias` are its own ids or customer keys."""


def check_event(event: Event, now: datetime) -> Problem | None:
    """The first limit that a well-typed event breaks; None when it keeps them all.

    Args:
        event: Any event; its customer is not looked at, nor what its alias is.
        now: Our clock, aware.
    """
    return (
        _text_problem(event)
        or _slate_problem(event)
        or _alias_problem(event)
        or _time_problem(event, now)
        or _amount_problem(event)
    )


def _problem(event: Event, field: str, reason: str, cure: str) -> Problem:
    value = shorten(getattr(event, field))
    return Problem(index=None, field=field, value=value, reason=reason, cure=cure)


def _text_problem(event: Event) -> Problem | None:
    for field in ("id", "item", "block", "send", "slate", "source", "served_by", "model"):
        text = getattr(event, field)
        if text is not None and not _is_name(text):
            cure = f"send 1 to {MAX_TEXT} printable characters"
            return _problem(event, field, "not a usable name", cure)
    if event.item is None and event.type in NEEDS_ITEM:
        return _problem(event, "item", f"a {event.type} needs an item", "send the item's id")
    return None


def _slate_problem(event: Event) -> Problem | None:
    if event.type is not EventType.SLATE_SERVED:
        for field in ("items", "served_by", "model"):
            if getattr(event, field):
                reason = f"only a {EventType.SLATE_SERVED} has it"
                return _problem(event, field, reason, "leave it out; one item goes into `item`")
        return None
    if len(event.items) > MAX_ITEMS:
        cure = f"send the first {MAX_ITEMS}"
        return _problem(event, "items", f"more than {MAX_ITEMS}", cure)
    if not all(map(_is_name, event.items)):
        cure = f"send ids of 1 to {MAX_TEXT} printable characters"
        return _problem(event, "items", "not usable names", cure)
    if len(set(event.items)) < len(event.items):
        return _problem(event, "items", "an id comes twice", "send each item once")
    return None


def _alias_problem(event: Event) -> Problem | None:
    if event.type is not EventType.IDENTIFY:
        if event.alias is None:
            return None
        reason, cure = f"only an {EventType.IDENTIFY} has it", "leave it out"
        return _personal_problem("alias", reason, cure)
    if event.item is not None:
        cure = "leave it out: it says who somebody is, not what was done"
        return _problem(event, "item", f"an {EventType.IDENTIFY} has none", cure)
    if event.alias is None:
        cure = "send the anonymous id that is this customer's"
        return _problem(event, "alias", f"an {EventType.IDENTIFY} needs it", cure)
    return None


def _personal_problem(field: str, reason: str, cure: str) -> Problem:
    return Problem(index=None, field=field, value="a value", reason=reason, cure=cure)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable()


def _time_problem(event: Event, now: datetime) -> Problem | None:
    if event.occurred_at.tzinfo is None:
        return _problem(event, "occurred_at", "no time zone", "end it with Z or an offset")
    if event.occurred_at < EARLIEST:
        return _problem(event, "occurred_at", "before 1990", "send the time that it happened")
    if event.occurred_at > now + AHEAD:
        return _problem(event, "occurred_at", "in the future", "send the time that it happened")
    return None


def _amount_problem(event: Event) -> Problem | None:
    if not (math.isfinite(event.quantity) and event.quantity > 0):
        cure = "send a positive number, and a return as an event of that type"
        return _problem(event, "quantity", "not a positive number", cure)
    if event.value is not None and not (math.isfinite(event.value) and event.value >= 0):
        cure = "send the money of the line as a number from 0"
        return _problem(event, "value", "not an amount", cure)
    if event.currency is not None and not is_currency(event.currency):
        return _problem(event, "currency", "not a currency code", "send an ISO 4217 code like GBP")
    return None


def limit_trouble(moment: datetime) -> tuple[str, str] | None:
    """Why something can't begin or end at a moment, and the cure; None when it can."""
    if moment.tzinfo is None:
        return "no time zone", "end it with Z or an offset"
    if not MINYEAR < moment.year < MAXYEAR:
        # In another zone it may lie outside of what a datetime can hold.
        return "out of range", "leave it out where there is no limit"
    return None


def is_currency(code: str) -> bool:
    """Whether the text has the form of an ISO 4217 code."""
    return len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()  # noqa: PLR2004 - ISO 4217


def decode_json(body: bytes) -> object:
    """Any JSON value.

    Raises:
        InvalidEvent: The body is not JSON (which has no NaN and no infinity).
    """
    try:
        return msgspec.json.decode(body)
    except UNDECODABLE as error:
        value = f"{len(body)} bytes"
        problem = Problem(
            index=None,
            field="",
            value=value,
            reason=f"not JSON: {error}",
            cure="send one JSON object or a list of them, in UTF-8",
        )
        raise InvalidEvent([problem]) from error


def parse_events(raw: object, keys: CustomerKeys, now: datetime) -> list[Event]:
    """Events from decoded JSON: one object or a list.

    Args:
        raw: What `decode_json` gave.
        keys: Turns the senders' customer ids into keys.
        now: Our clock, aware.

    Raises:
        InvalidEvent: Any element is refused; the error lists up to `MAX_PROBLEMS`, each with its
            index, field, value and cure. No event of the request is returned.
        TooLarge: More than `MAX_EVENTS` elements.
    """
    events, problems = parse_each(raw, lambda one: parse_event(one, keys, now), MAX_EVENTS)
    if problems:
        raise InvalidEvent(problems)
    return events


def parse_each(
    raw: object, parse: Callable[[object], Parsed], limit: int
) -> tuple[list[Parsed], list[Problem]]:
    """The elements of a list, or the one that is no list, each parsed; and what is wrong.

    Args:
        raw: Decoded JSON.
        parse: Raises `InputError` for an element that can't be used.
        limit: Of elements.

    Returns:
        What was parsed; and up to `MAX_PROBLEMS` problems, each with its index.

    Raises:
        TooLarge: More than `limit` elements.
    """
    elements: Sequence[object] = raw if isinstance(raw, list) else [raw]
    if len(elements) > limit:
        problem = Problem(
            index=None,
            field="",
            value=f"{len(elements)} elements",
            reason=f"more than {limit}",
            cure="send them in several requests",
        )
        raise TooLarge([problem])
    parsed: list[Parsed] = []
    problems: list[Problem] = []
    for index, element in enumerate(elements):
        try:
            parsed.append(parse(element))
        except InputError as error:
            problems += [msgspec.structs.replace(p, index=index) for p in error.problems]
    return parsed, problems[:MAX_PROBLEMS]


def parse_event(element: object, keys: CustomerKeys, now: datetime) -> Event:
    """One event from one decoded JSON object.

    Raises:
        InvalidEvent: It breaks the schema or a limit.
        InvalidArgument: Its customer id or its alias can't be used.
    """
    try:
        wire = msgspec.convert(element, WireEvent)
    except msgspec.ValidationError as error:
        raise InvalidEvent([schema_problem(element, str(error))]) from error
    problem = check_event(wire, now)
    if problem is not None:
        raise InvalidEvent([problem])
    values = msgspec.structs.asdict(wire)
    values["customer"] = keys.resolve(wire.customer)
    if wire.alias is not None:
        values["alias"] = keys.resolve(wire.alias, field="alias")
    values["occurred_at"] = wire.occurred_at.astimezone(UTC)
    return Event(**values)


def schema_problem(element: object, message: str) -> Problem:
    """What msgspec said of an element, as a problem that names field and value.

    A whole element, a field that we don't know (`email`) or a customer may be an outside id: such
    a value is not repeated.

    Args:
        element: The decoded JSON.
        message: The text of msgspec's ValidationError.
    """
    reason, _, path = message.partition(" - at `$.")
    field = path.rstrip("`") or (reason.split("`")[1] if "field `" in reason else "")
    name = field.partition("[")[0].partition(".")[0]
    shown = "a value"
    if (
        isinstance(element, dict)
        and name
        and name not in _PERSONAL
        and "unknown field" not in reason
    ):
        shown = shorten(element.get(name))
    cure = "see the schema at /openapi.json"
    return Problem(index=None, field=field, value=shown, reason=reason, cure=cure)
