"""Stripe: payments and refunds of items, paid invoices, customers.

A delivery is signed by HMAC-SHA256 of `TIMESTAMP.BODY`, in a header `t=…,v1=…` that has several
`v1` while the secret is being changed.

Stripe knows payments; what was paid for, the shop says in `metadata`: `item`, and as it likes
`customer`, `send`, `block`, `slate`. Lines of invoices name Stripe's own products without it. A
payment or a refund that names no item is left out; a checkout that was paid and names none is not,
for something was bought.

Whose it is: `metadata.customer`, else the e-mail address, else Stripe's own id of the customer. A
customer of Stripe's whose metadata name the shop's is joined to that one, and so is the address.

Sources: "Receive Stripe events in your webhook endpoint", on verifying signatures
(https://docs.stripe.com/webhooks); "Supported currencies", on minor units
(https://docs.stripe.com/currencies); the objects `Event`, `Checkout Session`, `Invoice Line Item`,
`PaymentIntent`, `Charge` and `Customer` (https://docs.stripe.com/api).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import msgspec

from features.errors import InputError, Unauthenticated
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.sources.reading import (
    Amount,
    Gathered,
    Reader,
    customer_of,
    decoded,
    email_id,
    joins,
    keeping,
    marks_of,
    moment_since_1970,
    number_of,
    refused,
)
from features.sources.signatures import (
    TOLERANCE,
    Keyed,
    check_fresh,
    from_hex,
    header,
    secret_bytes,
)
from features.sources.source import Delivery, Received

NAME: Final = "stripe"
MAX_FIELDS: Final = 12
"""Of the signature's header that are looked at, so that a forged one can't keep us busy."""

_WHOLE: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV"}
    | {"XAF", "XOF", "XPF"}
)
"""Currencies whose amounts are whole; of ISK and UGX they stayed hundredths that are always 0."""
_THOUSANDTHS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


class _Details(msgspec.Struct, frozen=True):
    email: str | None = None


class _Lines(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw] = []


class _PriceDetails(msgspec.Struct, frozen=True):
    product: object = None


class _Pricing(msgspec.Struct, frozen=True):
    price_details: _PriceDetails | None = None


class _Discount(msgspec.Struct, frozen=True):
    amount: Amount = None


class _Line(msgspec.Struct, frozen=True):
    """A line of a checkout (`amount_total`, `price`) or of an invoice."""

    id: str
    amount_total: Amount = None
    amount: Amount = None
    currency: str | None = None
    quantity: Amount = None
    metadata: object = None
    price: _PriceDetails | None = None
    pricing: _Pricing | None = None
    discount_amounts: list[_Discount] | None = None

    def item(self) -> str | None:
        """What the shop calls it, else Stripe's product."""
        details = (self.pricing and self.pricing.price_details) or self.price
        return _named(self.metadata).get("item") or _reference(details and details.product)

    def paid(self) -> float | None:
        """Minor units after discounts."""
        if self.amount_total is not None:
            return number_of(self.amount_total)
        off = sum(number_of(one.amount) or 0.0 for one in self.discount_amounts or ())
        amount = number_of(self.amount)
        return None if amount is None else amount - off


class _Object(msgspec.Struct, frozen=True):
    """What an event is about: each kind leaves out what it has not."""

    id: str
    amount_received: Amount = None
    amount_refunded: Amount = None
    amount_total: Amount = None
    billing_details: _Details | None = None
    currency: str | None = None
    customer: object = None
    customer_details: _Details | None = None
    customer_email: str | None = None
    email: str | None = None
    line_items: _Lines | None = None
    lines: _Lines | None = None
    metadata: object = None
    mode: str | None = None
    payment_intent: object = None
    payment_status: str | None = None
    receipt_email: str | None = None

    def email_address(self) -> str | None:
        """The first that is there."""
        details = self.customer_details or self.billing_details or _Details()
        return details.email or self.customer_email or self.receipt_email or self.email

    def customer_key(self, keys: CustomerKeys) -> str:
        """Whose it is."""
        email = self.email_address()
        named = _named(self.metadata).get("customer")
        return customer_of(keys, named, email and email_id(email), _reference(self.customer))


class _Before(msgspec.Struct, frozen=True):
    amount_refunded: Amount = None


class _Data(msgspec.Struct, frozen=True):
    object: msgspec.Raw
    previous_attributes: _Before | None = None


class _Told(msgspec.Struct, frozen=True):
    type: str
    created: float
    data: _Data


_TOLD = msgspec.json.Decoder(_Told)
_OBJECT = msgspec.json.Decoder(_Object)
_LINE = msgspec.json.Decoder(_Line)


class Stripe:
    """Deliveries of Stripe's webhook endpoints.

    Args:
        secrets: Signing secrets of the endpoint, `whsec_…`.
        tolerance: How old a delivery may be, and how far ahead of our clock.

    Raises:
        SettingsError: There is none.
    """

    def __init__(self, secrets: Sequence[str], tolerance: timedelta = TOLERANCE) -> None:
        self._keyed = Keyed(secret_bytes(secrets, NAME), "sha256")
        self._tolerance = tolerance

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See Source.verify."""
        fields = header(delivery, "stripe-signature").split(",", MAX_FIELDS)[:MAX_FIELDS]
        pairs = [field.strip().partition("=")[::2] for field in fields]
        timestamp = next((value for name, value in pairs if name == "t"), "")
        check_fresh(timestamp, now, self._tolerance)
        given = _macs(value for name, value in pairs if name == "v1")
        self._keyed.check(given, timestamp.encode(), b".", delivery.body)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        gathered, body = Gathered(), delivery.body
        try:
            for read in _readers(body, keys):
                gathered.add(body, keeping(read, now))
        except InputError as error:
            gathered.refuse(body, error)
        return gathered.received()


def _macs(values: Iterable[str]) -> Iterator[bytes]:
    for value in values:
        try:
            yield from_hex(value)
        except Unauthenticated:
            continue


class _Case(NamedTuple):
    """An event of Stripe's.

    Attributes:
        about: What it is about.
        before: What that was before.
        keys: Turns outside ids into customer keys.
        at: When it happened.
    """

    about: _Object
    before: _Before
    keys: CustomerKeys
    at: datetime

    def bought(self, name: str, amount: float | None, item: str | None = None) -> Event:
        """That something was bought, one of it."""
        named = _named(self.about.metadata)
        marks = marks_of(named, prefix="")
        currency = (self.about.currency or "").upper()
        return Event(
            id=f"{NAME}:{name}",
            type=EventType.PURCHASE,
            customer=self.about.customer_key(self.keys),
            occurred_at=self.at,
            item=item or named.get("item"),
            value=None if amount is None else amount / _minor_units(currency),
            currency=currency or None,
            block=marks.block,
            send=marks.send,
            slate=marks.slate,
            source=NAME,
        )


def _readers(body: bytes, keys: CustomerKeys) -> Iterable[Reader]:
    """What gives the events of a delivery: one for each line, so that none silences another."""
    told = decoded(body, _TOLD)
    kind = _KINDS.get(told.type)
    if kind is None:
        return ()
    before = told.data.previous_attributes or _Before()
    at = moment_since_1970(told.created, "created")
    return kind(_Case(decoded(told.data.object, _OBJECT), before, keys, at))


def _checkout(case: _Case) -> Iterator[Reader]:
    session = case.about
    if session.mode != "payment" or session.payment_status == "unpaid":
        return  # a subscription's invoice tells of it; what is not paid yet is told again
    lines = (session.line_items or _Lines()).data
    if "item" in _named(session.metadata):
        # The payment is told too: by its id the two are one event.
        name = _reference(session.payment_intent) or session.id
        yield partial(_payment, case, name, session.amount_total)
    elif lines:
        yield from (partial(_line, case, line) for line in lines)
    else:
        cure = "put the item's id into the session's metadata as `item`"
        raise refused(field="metadata.item", reason="missing", cure=cure)


def _intent(case: _Case) -> Iterator[Reader]:
    if "item" in _named(case.about.metadata):
        yield partial(_payment, case, case.about.id, case.about.amount_received)


def _invoice(case: _Case) -> Iterator[Reader]:
    for line in (case.about.lines or _Lines()).data:
        yield partial(_line, case, line)


def _charge(case: _Case) -> Iterator[Reader]:
    if "item" in _named(case.about.metadata):
        yield partial(_refund, case)


def _customer(case: _Case) -> Iterator[Reader]:
    yield partial(_identities, case)


_KINDS: Final[dict[str, Callable[[_Case], Iterable[Reader]]]] = {
    "charge.refunded": _charge,
    "checkout.session.async_payment_succeeded": _checkout,
    "checkout.session.completed": _checkout,
    "customer.created": _customer,
    "customer.updated": _customer,
    "invoice.paid": _invoice,
    "invoice.payment_succeeded": _invoice,
    "payment_intent.succeeded": _intent,
}


def _payment(case: _Case, name: str, amount: Amount) -> Iterator[Event]:
    yield case.bought(name, number_of(amount))


def _line(case: _Case, raw: msgspec.Raw) -> Iterator[Event]:
    line = decoded(raw, _LINE)
    paid, quantity = line.paid(), number_of(line.quantity)
    if (paid is not None and paid < 0) or quantity == 0:
        return  # what a change of subscription takes off
    event = case.bought(f"{case.about.id}:{line.id}", paid, line.item())
    yield msgspec.structs.replace(event, quantity=1.0 if quantity is None else quantity)


def _refund(case: _Case) -> Iterator[Event]:
    total = number_of(case.about.amount_refunded) or 0.0
    back = total - (number_of(case.before.amount_refunded) or 0.0)
    event = case.bought(f"{case.about.id}:refund:{total:.0f}", back)
    yield msgspec.structs.replace(event, type=EventType.RETURN)


def _identities(case: _Case) -> Iterator[Event]:
    person, keys = case.about, case.keys
    named = _named(person.metadata).get("customer")
    if named is None:
        return  # an address may yet turn out to be that of a customer of the shop's
    customer = keys.resolve(named)
    email = email_id(person.email or "")
    for alias in map(keys.resolve, filter(None, (person.id, email))):
        if alias != customer:
            yield joins(NAME, customer, alias, case.at)


def _minor_units(currency: str) -> int:
    if currency in _WHOLE:
        return 1
    return 1_000 if currency in _THOUSANDTHS else 100


def _named(metadata: object) -> dict[str, str]:
    """What the shop put in, of those that are texts and not empty."""
    pairs = metadata.items() if isinstance(metadata, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str) and text}


def _reference(value: object) -> str | None:
    """The id of what is referred to, whether it is written out or not."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
