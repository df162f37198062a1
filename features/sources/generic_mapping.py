"""What the webhooks of any sender mean: a mapping, read from a TOML file.

`[signature]` says how a delivery is signed, `[event]` where in its JSON an event's fields are. A
value is a path, or a table: `{constant = "GBP"}`, `{path = "cents", times = 0.01}`,
`{path = "quantity", absolute = true}`. A path is names with dots between, `[0]` counts in a list:
`customer.id`, `lines[0].sku`. It begins at the event; with `$.` before it, at the whole body.
`docs/sources.md` tells the words one by one, and `homing/mappings/webhook-till.toml` is an example.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from features.event import NEEDS_ITEM, EventType
from features.mapping import check_currency, check_name
from features.money import Exchange, rounded
from features.sources.contract import PathRule, check_rules
from features.toml_tables import Scalar, Table, parse_table, read_text, refused

EXAMPLE: Final = "homing/mappings/webhook-till.toml"
FIELDS: Final = ("item", "quantity", "value", "currency", "block", "send", "slate")
"""Of an event, those that are values."""
TOLD: Final = frozenset(EventType) - {EventType.IDENTIFY, EventType.SLATE_SERVED}
"""Types that a mapping can tell: of the others an event has more to say, or it is ours alone."""
PLACES: Final = ("body", "timestamp", "id", "url")
"""What a signature may cover, in braces."""

_NAME: Final = r"[^.\[\]]+"
_INDEX: Final = r"\[[0-9]{1,6}\]"
_PATH = re.compile(rf"(?!\$(?:\[|$))(?:\$\.)?(?:{_NAME}|{_INDEX})(?:\.{_NAME}|{_INDEX})*")
_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[([0-9]+)\]")
_PLACE = re.compile(r"\{([^{}]*)\}")


class Value(Table, frozen=True):
    """Where a value comes from: exactly one of the first two.

    Attributes:
        path: In the JSON.
        constant: The same for every event.
        times: A number is multiplied by it, and rounded to six places.
        absolute: A number loses its sign.
    """

    path: str | None = None
    constant: Scalar | None = None
    times: float = 1.0
    absolute: bool = False

    def scaled(self, number: float) -> float:
        """What a number that was found means; a whole one that stays as it is stays whole."""
        number = number if self.times == 1 else rounded(number * self.times)
        return abs(number) if self.absolute else number


class Moment(Table, frozen=True):
    """Where the time comes from.

    Attributes:
        path: In the JSON.
        unit: Of a number since 1970; `iso` is a text in ISO 8601, UTC without a zone.
    """

    path: str
    unit: Literal["iso", "s", "ms", "us"] = "iso"


class Kind(Table, frozen=True):
    """Where the type is.

    Attributes:
        path: In the JSON.
        values: What is written there → our type; without it, our own words for `TOLD` are expected.
        others: What becomes of an event of another type.
    """

    path: str
    values: dict[str, EventType] = msgspec.field(default_factory=dict)
    others: Literal["refuse", "leave out"] = "refuse"


class Signature(Table, frozen=True):
    """How a delivery is signed.

    Attributes:
        header: The header that has the signature.
        algorithm: HMAC with that hash; `token` is no signature, but the secret itself.
        encoding: Of the signature.
        prefix: What stands before it.
        signed: What it covers: `{body}`, and from headers `{timestamp}` and `{id}`, and `{url}`.
        timestamp: The header that says when it was signed.
        unit: Of that time.
        tolerance: Seconds that it may be off.
        id: The header of an id that two attempts at one delivery share.
        key: How the secret is written.
    """

    header: str
    algorithm: Literal["sha1", "sha256", "sha384", "sha512", "token"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp: str | None = None
    unit: Literal["s", "ms"] = "s"
    tolerance: float = 300.0
    id: str | None = None
    key: Literal["text", "hex", "base64"] = "text"

    def pieces(self) -> Iterator[tuple[str, str]]:
        """What is signed, in its order: (fixed text, "") and ("", name of a place)."""
        for index, piece in enumerate(_PLACE.split(self.signed)):
            if index % 2:
                yield "", piece
            elif piece:
                yield piece, ""


class EventPaths(Table, frozen=True):
    """Where an event's fields are.

    Attributes:
        customer: Paths of the customer's id; the first that is there counts.
        type: One type for all events, or where it is.
        each: Path of the list that has an element for each event; without it the body is one
            event, or a list of them.
        email: Path of the customer's e-mail address; counts where there is no id.
        time: When it happened; without it, when it came.
        id: Paths whose values make an event itself; without them its content does.
        item: The item's id.
        quantity: Units.
        value: Money of the whole line.
        currency: ISO 4217 code.
        minor_units: Whether the value is in the smallest unit of its currency, like pence.
        block: Place in the e-mail.
        send: The e-mail's id.
        slate: The slate that it answers to.
    """

    type: EventType | Kind
    customer: str | tuple[str, ...] = ()
    each: str | None = None
    email: str | None = None
    time: str | Moment | None = None
    id: str | tuple[str, ...] = ()
    item: str | Value | None = None
    quantity: str | Value | None = None
    value: str | Value | None = None
    currency: str | Value | None = None
    minor_units: bool = False
    block: str | Value | None = None
    send: str | Value | None = None
    slate: str | Value | None = None


class WebhookMapping(Table, frozen=True):
    """A whole mapping.

    Attributes:
        name: The source's name; goes into `Event.source` and begins every id.
        signature: How a delivery is signed.
        event: Where an event's fields are.
        currency: What every value is turned into.
        contract: What must be at paths of an event.
    """

    name: str
    signature: Signature
    event: EventPaths
    currency: Exchange | None = None
    contract: tuple[PathRule, ...] = ()


class Route(NamedTuple):
    """A path, read.

    Attributes:
        steps: Names and indexes.
        whole: Whether it begins at the whole body.
    """

    steps: tuple[str | int, ...]
    whole: bool

    def find(self, body: object, element: object) -> object:
        """What is there; None when nothing is."""
        found = body if self.whole else element
        for step in self.steps:
            if isinstance(step, str):
                found = found.get(step) if isinstance(found, dict) else None
            else:
                found = found[step] if isinstance(found, list) and step < len(found) else None
        return found


def is_path(text: str) -> bool:
    """Whether the text is one."""
    return _PATH.fullmatch(text) is not None


@cache
def route(path: str) -> Route:
    """A path that the mapping's check let pass: read once, followed for every event."""
    steps = _STEP.findall(path.removeprefix("$."))
    return Route(tuple(name or int(index) for name, index in steps), path.startswith("$."))


def load_webhook(path: Path) -> WebhookMapping:
    """The mapping that a TOML file holds.

    Raises:
        InvalidArgument: It can't be read, or is not a mapping; names file, key, value and cure.
    """
    mapping = parse_webhook(read_text(path, EXAMPLE), str(path))
    if mapping.currency is None:
        return mapping
    return msgspec.structs.replace(mapping, currency=mapping.currency.beside(path))


def parse_webhook(text: str, name: str) -> WebhookMapping:
    """The mapping that a TOML text holds.

    Args:
        text: The TOML.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It is not a mapping; names file, key, value and cure.
    """
    mapping = parse_table(text, name, WebhookMapping, "docs/sources.md")
    check_name(mapping.name, name)
    _check_signature(mapping.signature, name)
    check_event_paths(mapping.event, name)
    check_beside(mapping.event, mapping.currency, mapping.contract, name)
    return mapping


def check_beside(
    event: EventPaths, currency: Exchange | None, contract: Sequence[PathRule], name: str
) -> None:
    """Return if what stands beside `[event]` fits it.

    Args:
        event: Of a TOML file.
        currency: What its values are turned into.
        contract: What must be at its paths.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It doesn't; names file, key, value and cure.
    """
    if currency is not None and event.currency is None:
        cure = "give event.currency, a path or a constant"
        raise refused(name, "event.currency", None, "values of which currency?", cure)
    for rule in contract:
        _check_path(rule.must.path, "contract.must.path", name)
    check_rules(contract, name)


def _check_signature(signature: Signature, name: str) -> None:
    pieces = list(signature.pieces())
    places = {place for _, place in pieces if place}
    key = "signature.signed"
    if any("{" in text or "}" in text for text, _ in pieces) or not places <= set(PLACES):
        cure = f"put only {', '.join(PLACES)} in braces"
        raise refused(name, key, signature.signed, "not what can be signed", cure)
    if signature.algorithm == "token":
        if signature.timestamp is not None or signature.signed != "{body}":
            cure = "leave signed and timestamp out, or name the hash"
            raise refused(name, key, signature.signed, "a token signs nothing", cure)
        places |= {"id"} if signature.id is not None else set()
    if "body" not in places:
        reason, cure = "leaves the body to anybody", "put {body} in"
        raise refused(name, key, signature.signed, reason, cure)
    for place, header in (("timestamp", signature.timestamp), ("id", signature.id)):
        if (place in places) != (header is not None):
            reason = f"{place} has to be signed, and to have its header"
            cure = f"put {{{place}}} into signed and name its header, or neither"
            raise refused(name, f"signature.{place}", header, reason, cure)
    if not 0 < signature.tolerance < math.inf:
        cure = "give seconds above 0"
        key = "signature.tolerance"
        raise refused(name, key, signature.tolerance, "no tolerance", cure)


def check_event_paths(event: EventPaths, name: str) -> None:
    """Return if events can be read so.

    Args:
        event: Of a TOML file.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: They can't; names file, key, value and cure.
    """
    for key, value in _values(event):
        if (value.path is None) == (value.constant is None):
            cure = "give either a path or a constant"
            raise refused(name, f"event.{key}", value.path, "not one value", cure)
        if value.path is not None:
            _check_path(value.path, f"event.{key}", name)
    whose = _routes(event, (*listed(event.customer), *listed(event.email)))
    if not whose:
        cure = "give the path of the customer's id, or of the e-mail address"
        raise refused(name, "event.customer", "", "missing", cure)
    if whose & _routes(event, listed(event.id)):
        # The id is kept as it is; a customer's outside id must never be.
        cure = "leave the customer out, or leave out `id` to have ids made of the content"
        raise refused(name, "event.id", event.id, "would keep the customer's id", cure)
    if isinstance(event.currency, Value):
        check_currency(event.currency.constant, name)
    if event.minor_units and event.currency is None:
        cure = "give event.currency: JPY has none of them, KWD a thousand"
        raise refused(name, "event.minor_units", "true", "units of which currency?", cure)
    _check_types(event, name)


def _check_path(path: str, key: str, name: str) -> None:
    if not is_path(path):
        cure = "write names with dots between, [0] for a place in a list, like lines[0].sku"
        raise refused(name, key, path, "not a path", cure)


def _routes(event: EventPaths, paths: Iterable[str]) -> set[Route]:
    """Where paths lead, however they are written: without `each` an event is the whole body."""
    routes = map(route, paths)
    return {one._replace(whole=one.whole and event.each is not None) for one in routes}


def _check_types(event: EventPaths, name: str) -> None:
    types = set(event.type.values.values()) if isinstance(event.type, Kind) else {event.type}
    for kind in types - TOLD:
        cure = "send it to POST /v1/events"
        raise refused(name, "event.type", kind, "not what a mapping can tell", cure)
    if types & NEEDS_ITEM and event.item is None:
        cure = "give the path of the item's id"
        raise refused(name, "event.item", "", "missing", cure)


def listed(paths: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """One path, several or none, as several."""
    if paths is None:
        return ()
    return (paths,) if isinstance(paths, str) else paths


def _values(event: EventPaths) -> Iterator[tuple[str, Value]]:
    """Everything in an event's mapping that has a path, by its key."""
    for key in ("customer", "id", "each", "email"):
        for path in listed(getattr(event, key)):
            yield key, Value(path=path)
    for key in ("time", "type"):
        given = getattr(event, key)
        if isinstance(given, Moment | Kind):
            yield f"{key}.path", Value(path=given.path)
    if isinstance(event.time, str):
        yield "time", Value(path=event.time)
    for key in FIELDS:
        given = value_of(getattr(event, key))
        if given is not None:
            yield key, given


def value_of(given: str | Value | None) -> Value | None:
    """A value, however it is written."""
    return Value(path=given) if isinstance(given, str) else given
