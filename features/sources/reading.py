"""What the readers of payloads share: lenient values, customers, and events that keep the limits.

A sender writes an id as a number or as text, and money as either; what is of another kind is
refused alone, with the part that it stands in. No reason says what was sent: it may name a person.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from features.errors import InputError, InvalidEvent, InvalidItem, Problem
from features.event import MAX_TEXT, Event, EventType, check_event
from features.identity import CustomerKeys
from features.item import Item, check_item
from features.sources.source import Received, Unreadable

Name = str | int | None
"""An id as senders write it."""
Amount = str | int | float | None
"""A number as senders write it."""

Part = bytes | msgspec.Raw
"""Of a delivery, as it came: what tells of one mail, call or event; or the whole."""
Reader = Callable[[], Iterable[Event]]
"""Gives the events of a part; raises `InputError` where there are none but should be."""
SoldAs = Literal["product", "variant", "sku"]
"""Which of a shop's ids the items of the catalogue have."""

Payload = TypeVar("Payload")

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_MAX_INT = 10**30
"""Longer ones are no ids; turning them into text takes long, or fails."""
_MAX_URL = 8_192
_TELLING: Final = {
    "unknown field": "it has a field that is not known",
    "Invalid enum value": "not one of the known values",
}
"""Reasons that would repeat what was sent → what is said instead."""


class Marks(NamedTuple):
    """What a mail's link says of where it stood, to be read again from the address it led to.

    Attributes:
        item: From `homing_item`.
        block: From `homing_block`.
        send: From `homing_send`.
        slate: From `homing_slate`.
    """

    item: str | None = None
    block: str | None = None
    send: str | None = None
    slate: str | None = None


def marks_of(values: Mapping[str, object], prefix: str = "homing_") -> Marks:
    """The marks among named values; those that could be no id are left out."""
    found = (values.get(prefix + name) for name in Marks._fields)
    return Marks(*(one if isinstance(one, str) and is_usable(one) else None for one in found))


def marks_in(url: str | None) -> Marks:
    """The marks in an address, which itself is not kept: it may name a person."""
    try:
        query = urlsplit((url or "")[:_MAX_URL]).query
    except ValueError:
        return Marks()
    return marks_of(dict(parse_qsl(query))) if "homing_" in query else Marks()


def is_usable(text: str) -> bool:
    """Whether an event can hold the text as an id."""
    return 0 < len(text) <= MAX_TEXT and text.isprintable()


def refused(field: str, reason: str, cure: str) -> InvalidEvent:
    """The error for one field, whose value it does not repeat."""
    problem = Problem(index=None, field=field, value="a value", reason=reason, cure=cure)
    return InvalidEvent([problem])


def decoded(body: Part, decoder: msgspec.json.Decoder[Payload]) -> Payload:
    """A payload, or a part of one.

    Raises:
        InvalidEvent: It is not JSON, or not of the decoder's type.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        raise refused(path.strip("`."), reason, "send what the sender's docs say") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise refused(field="", reason="not JSON", cure="send JSON in UTF-8") from error


def elements(body: bytes) -> Sequence[Part]:
    """The elements of a JSON list, undecoded; or the one that is no list.

    Raises:
        InvalidEvent: It begins as a list and is none.
    """
    if not body.lstrip().startswith(b"["):
        return [body]
    return [*decoded(body, _ELEMENTS)]


def text_of(name: Name) -> str | None:
    """An id as text; None when there is none."""
    if isinstance(name, int):
        return str(name) if abs(name) < _MAX_INT else None
    return (name or "").strip() or None


def name_of(value: object) -> Name:
    """An id where anything may stand; None when it could be none."""
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def number_of(amount: Amount) -> float | None:
    """A number; not a number when the text is none, which no event may hold."""
    if amount is None or amount == "":
        return None
    try:
        return float(amount)
    except (ValueError, OverflowError):
        return math.nan


def currency_of(code: str | None) -> str | None:
    """A currency's code as events have it; None when there is none."""
    return (code or "").strip().upper() or None


def moment_of(text: str | None, field: str) -> datetime:
    """A time in ISO 8601; UTC where it names no zone.

    Raises:
        InvalidEvent: It is none.
    """
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise refused(field, "no time", "send it in ISO 8601") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def moment_since_1970(seconds: float, field: str) -> datetime:
    """A time in Unix seconds.

    Raises:
        InvalidEvent: No calendar has it.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise refused(field, "no time", "send the seconds since 1970") from error


def email_id(email: str) -> str:
    """The id that an e-mail address stands for."""
    return email.strip().lower()


def customer_of(keys: CustomerKeys, *ids: Name, email: str | None = None) -> str:
    """The key of the first id that is there, else of the e-mail address.

    Raises:
        InputError: There is none, or it can't be used.
    """
    for name in ids:
        text = text_of(name)
        if text is not None:
            return keys.resolve(text)
    if email is not None and email_id(email):
        return keys.resolve(email_id(email))
    cure = "have the sender put in the customer's id or e-mail address"
    raise refused(field="customer", reason="it names none", cure=cure)


def joins(source: str, customer: str, alias: str, at: datetime) -> Event:
    """That an alias is this customer.

    Args:
        source: Who says so.
        customer: Customer key.
        alias: Customer key.
        at: When, aware.
    """
    return Event(
        id=f"{source}:identify:{customer}:{alias}",
        type=EventType.IDENTIFY,
        customer=customer,
        occurred_at=at,
        source=source,
        alias=alias,
    )


def kept(event: Event, now: datetime) -> Event:
    """The event as it is kept.

    Raises:
        InvalidEvent: It breaks a limit.
    """
    problem = check_event(event, now)
    if problem is not None:
        raise InvalidEvent([problem])
    return msgspec.structs.replace(event, occurred_at=event.occurred_at.astimezone(UTC))


def keeping(read: Reader, now: datetime) -> Reader:
    """What gives the same events as they are kept."""
    return lambda: [kept(event, now) for event in read()]


def digest_of(*parts: str) -> str:
    """An id for what has none, of what makes it itself: 128 bits of BLAKE2b in hex."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(content) + content)
    return digest.hexdigest()


def reason_of(error: InputError) -> str:
    """Why a part can't be used, and the cure, without what was sent."""
    problem = error.problems[0]
    for telling, instead in _TELLING.items():
        if telling in problem.reason:
            return f"{instead}; {problem.cure}"
    where = f"{problem.field}: " if problem.field else ""
    return f"{where}{problem.reason}; {problem.cure}"


class Gathered:
    """What has been read of a delivery so far."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._unreadable: list[Unreadable] = []
        self._items: list[Item] = []
        self._gone: list[str] = []

    def add(self, body: Part, read: Reader) -> None:
        """Add the events of a part, or the part itself where they can't be read.

        Args:
            body: The part's bytes; of a part that means nothing without the others, all of them.
            read: Gives its events.
        """
        try:
            self._events += list(read())
        except InputError as error:
            self.refuse(body, error)

    def refuse(self, body: Part, error: InputError) -> None:
        """Add what can't be read; the same bytes once, with what was wrong first."""
        letter = Unreadable(bytes(body), reason_of(error))
        if not self._unreadable or self._unreadable[-1].body != letter.body:
            self._unreadable.append(letter)

    def put(self, body: bytes, item: Item) -> None:
        """Add an item, or the body that tells of it where it breaks a limit."""
        problem = check_item(item)
        if problem is None:
            self._items.append(item)
        else:
            self.refuse(body, InvalidItem([problem]))

    def lose(self, item: str) -> None:
        """Add the id of an item that is no longer sold."""
        self._gone.append(item)

    def received(self) -> Received:
        """All of it."""
        return Received(self._events, self._unreadable, self._items, self._gone)
