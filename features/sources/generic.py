"""Any sender whose webhooks a TOML file describes: see `generic_mapping`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec

from features.errors import InputError, SettingsError
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.money import NO_RATE, Rates, in_units, read_rates
from features.sources.contract import PathRule, holds
from features.sources.generic_mapping import (
    FIELDS,
    TOLD,
    EventPaths,
    Moment,
    Signature,
    WebhookMapping,
    listed,
    route,
    value_of,
)
from features.sources.reading import (
    Gathered,
    Part,
    currency_of,
    customer_of,
    decoded,
    digest_of,
    elements,
    keeping,
    moment_of,
    moment_since_1970,
    number_of,
    refused,
    text_of,
)
from features.sources.signatures import (
    Keyed,
    any_bytes,
    check_fresh,
    from_base64,
    from_hex,
    header,
    is_any,
    secret_bytes,
    wrong_signature,
)
from features.sources.source import Delivery, Received

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_MILLISECONDS = 3
"""Digits of them in a time."""
_ANYTHING = msgspec.json.Decoder()


class Generic:
    """Webhooks that a mapping describes.

    Args:
        mapping: How they are signed, and what they mean.
        secrets: As the mapping says that they are written.

    Raises:
        SettingsError: There is no secret, or one that is not written so.
    """

    def __init__(self, mapping: WebhookMapping, secrets: Sequence[str]) -> None:
        self._mapping = mapping
        self._signature = mapping.signature
        self._pieces = [(text.encode(), place) for text, place in mapping.signature.pieces()]
        shown = secret_bytes(secrets, mapping.name)
        self._secrets = tuple(_secret(one, mapping) for one in shown)
        algorithm = mapping.signature.algorithm
        self._keyed = None if algorithm == "token" else Keyed(self._secrets, algorithm)
        rates = None if mapping.currency is None else read_rates(mapping.currency, mapping.name)
        self._events = MappedEvents(mapping.name, mapping.event, rates, mapping.contract)

    def verify(self, delivery: Delivery, now: datetime) -> str | None:
        """See Source.verify; the delivery's id, where the mapping names its header."""
        signature = self._signature
        shown = header(delivery, signature.header.lower())
        if not shown.startswith(signature.prefix):
            raise wrong_signature()
        given = shown.removeprefix(signature.prefix)
        if self._keyed is None:
            if not is_any(any_bytes(given), self._secrets):
                raise wrong_signature()
        else:
            if signature.timestamp is not None:
                self._check_fresh(header(delivery, signature.timestamp.lower()), now)
            mac = _decoded_mac(given, signature)
            self._keyed.check([mac], *(self._piece(delivery, *piece) for piece in self._pieces))
        return None if signature.id is None else header(delivery, signature.id.lower())

    def _check_fresh(self, time: str, now: datetime) -> None:
        seconds = time if self._signature.unit == "s" else time[:-_MILLISECONDS]
        check_fresh(seconds, now, timedelta(seconds=self._signature.tolerance))

    def _piece(self, delivery: Delivery, text: bytes, place: str) -> bytes:
        if place == "body":
            return delivery.body
        if place == "url":
            return any_bytes(delivery.url)
        headers = {"timestamp": self._signature.timestamp, "id": self._signature.id}
        name = headers.get(place)
        return any_bytes(header(delivery, name.lower())) if name else text

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        return self._events.read(delivery.body, keys, now)


class _Place(NamedTuple):
    """Where an event's values are.

    Attributes:
        root: The whole body.
        element: The event's own part of it.
        name: An id for want of another.
    """

    root: object
    element: object
    name: str

    def find(self, path: str) -> object:
        """What is there; None when nothing is."""
        return route(path).find(self.root, self.element)


class MappedEvents:
    """Reads events as a mapping says, from any JSON that it is given.

    Args:
        name: The source's; goes into `Event.source` and begins every id.
        paths: Where an event's fields are, checked.
        rates: Values are turned by them into the shop's currency.
        contract: What must be at paths of an event, checked.
    """

    def __init__(
        self,
        name: str,
        paths: EventPaths,
        rates: Rates | None = None,
        contract: Sequence[PathRule] = (),
    ) -> None:
        self._name = name
        self._paths = paths
        self._rates = rates
        self._contract = contract
        fields = {field: value_of(getattr(paths, field)) for field in FIELDS}
        self._fields = {field: value for field, value in fields.items() if value is not None}

    def read(self, body: bytes, keys: CustomerKeys, now: datetime) -> Received:
        """What a body says; see Source.read."""
        gathered, each = Gathered(), self._paths.each
        name = digest_of(body.decode("latin-1"))
        try:
            if each is None:
                for index, part in enumerate(elements(body)):
                    read = partial(self._alone, part, f"{name}:{index}", keys, now)
                    gathered.add(part, keeping(read, now))
            else:
                root = decoded(body, _ANYTHING)
                for index, element in enumerate(_listed(root, each)):
                    place = _Place(root, element, f"{name}:{index}")
                    read = partial(self._of, place, keys, now)
                    gathered.add(body, keeping(read, now))
        except InputError as error:
            gathered.refuse(body, error)
        return gathered.received()

    def _alone(self, part: Part, name: str, keys: CustomerKeys, now: datetime) -> Iterator[Event]:
        element = decoded(part, _ANYTHING)
        return self._of(_Place(element, element, name), keys, now)

    def _of(self, place: _Place, keys: CustomerKeys, now: datetime) -> Iterator[Event]:
        """The event of a place; none of a type that is left out."""
        kind = self._type(place)
        if kind is None:
            return
        paths = self._paths
        ids = [_text(place.find(path), "customer") for path in listed(paths.customer)]
        email = None if paths.email is None else _text(place.find(paths.email), "email")
        self._check(place)
        quantity = self._number("quantity", place)
        at = self._moment(place, now)
        value, currency = self._money(place, at)
        yield Event(
            id=f"{self._name}:{self._id(place)}",
            type=kind,
            customer=customer_of(keys, *ids, email=email),
            occurred_at=at,
            item=self._text("item", place),
            quantity=1.0 if quantity is None else quantity,
            value=value,
            currency=currency,
            block=self._text("block", place),
            send=self._text("send", place),
            slate=self._text("slate", place),
            source=self._name,
        )

    def _check(self, place: _Place) -> None:
        for one in self._contract:
            if not holds(one.must, place.find(one.must.path)):
                cure = "repair it, or mend the contract"
                raise refused(field="contract", reason=f"broken: {one.rule}", cure=cure)

    def _money(self, place: _Place, at: datetime) -> tuple[float | None, str | None]:
        """Value and currency, in the shop's own where there are rates."""
        value, currency = self._number("value", place), currency_of(self._text("currency", place))
        if value is None or not (self._rates or self._paths.minor_units):
            return value, currency
        if currency is None:
            raise refused(field="currency", reason="missing", cure="send it with the value")
        if self._paths.minor_units:
            value = in_units(value, currency)
        if self._rates is None:
            return value, currency
        worth = self._rates.worth(value, currency, at.astimezone(UTC).date())
        if worth is None:
            raise refused(field="currency", reason=NO_RATE, cure="add it to the mapping")
        return worth, self._rates.to

    def _type(self, place: _Place) -> EventType | None:
        given = self._paths.type
        if isinstance(given, EventType):
            return given
        text = _text(place.find(given.path), "type") or ""
        known = given.values or {kind.value: kind for kind in TOLD}
        if text not in known and given.others == "refuse":
            cure = "name it in event.type.values, or leave other types out"
            raise refused(field="type", reason="not one of the mapping's", cure=cure)
        return known.get(text)

    def _id(self, place: _Place) -> str:
        names = [_text(place.find(path), "id") for path in listed(self._paths.id)]
        if None in names:
            raise refused(field="id", reason="missing", cure="send all that the mapping names")
        return ":".join(name for name in names if name) or place.name

    def _moment(self, place: _Place, now: datetime) -> datetime:
        given = self._paths.time
        if given is None:
            return now
        given = Moment(path=given) if isinstance(given, str) else given
        found = place.find(given.path)
        if given.unit == "iso":
            return moment_of(_text(found, "time"), "time")
        seconds = number_of(_scalar(found, "time"))
        if seconds is None:
            raise refused(field="time", reason="missing", cure="send when it happened")
        return moment_since_1970(seconds / _PER_SECOND[given.unit], "time")

    def _value(self, field: str, place: _Place) -> object:
        value = self._fields.get(field)
        if value is None:
            return None
        return value.constant if value.path is None else place.find(value.path)

    def _text(self, field: str, place: _Place) -> str | None:
        return _text(self._value(field, place), field)

    def _number(self, field: str, place: _Place) -> float | None:
        number = number_of(_scalar(self._value(field, place), field))
        return None if number is None else self._fields[field].scaled(number)


def _listed(root: object, each: str) -> list[object]:
    found = route(each).find(root, root)
    if not isinstance(found, list):
        raise refused(field=each, reason="no list", cure="send one, or mend `each`")
    return found


def _scalar(found: object, field: str) -> str | int | float | None:
    if isinstance(found, bool) or not isinstance(found, str | int | float | None):
        raise refused(field, "neither text nor number", "mend its path in the mapping")
    return found


def _text(found: object, field: str) -> str | None:
    scalar = _scalar(found, field)
    if isinstance(scalar, float):
        raise refused(field, "neither text nor a whole number", "mend its path in the mapping")
    return text_of(scalar)


def _decoded_mac(given: str, signature: Signature) -> bytes:
    if signature.encoding == "hex":
        return from_hex(given)
    if signature.encoding == "base64url":
        given = given.replace("-", "+").replace("_", "/").rstrip("=")
        given += "=" * (-len(given) % 4)
    return from_base64(given)


def _secret(shown: bytes, mapping: WebhookMapping) -> bytes:
    written = mapping.signature.key
    if written == "text":
        return shown
    try:
        decode = binascii.unhexlify if written == "hex" else base64.b64decode
        secret = decode(shown)
    except ValueError:
        secret = b""
    if not secret:
        message = (
            f"a secret of the source {mapping.name} is not {written}: set the one that its sender "
            "shows, or say how it is written as signature.key"
        )
        raise SettingsError(message)
    return secret
