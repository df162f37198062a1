"""Shopify's orders, checkouts and carts: purchases, returns and what went into a cart.

An order's lines are purchases, whichever of its topics comes first. Its refunds, and what is left
when it is cancelled, are returns. A cart names nobody: what went into it belongs to its token,
until a checkout or an order says whose it was.

Source: "Webhooks", with the payload of each topic (https://shopify.dev/docs/api/webhooks/latest).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import msgspec

from features.errors import InputError
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.sources.reading import (
    Amount,
    Gathered,
    Marks,
    Name,
    SoldAs,
    currency_of,
    customer_of,
    decoded,
    joins,
    keeping,
    marks_in,
    marks_of,
    moment_of,
    number_of,
    refused,
    text_of,
)

NAME: Final = "shopify"


class Consent(msgspec.Struct, frozen=True):
    """Whether a customer takes mails."""

    state: str | None = None
    consent_updated_at: str | None = None


class Customer(msgspec.Struct, frozen=True):
    """A customer, and the topic of consents alone, which calls the id otherwise."""

    id: Name = None
    customer_id: Name = None
    email: str | None = None
    verified_email: bool | None = None
    created_at: str | None = None
    email_marketing_consent: Consent | None = None


class _Discount(msgspec.Struct, frozen=True):
    amount: Amount = None


class _Line(msgspec.Struct, frozen=True):
    id: Name = None
    product_id: Name = None
    variant_id: Name = None
    sku: str | None = None
    quantity: Amount = None
    price: Amount = None
    discount_allocations: list[_Discount] = []

    def value(self) -> float | None:
        """Money of the line after its discounts."""
        price, quantity = number_of(self.price), number_of(self.quantity)
        if price is None or quantity is None:
            return None
        off = sum(number_of(one.amount) or 0.0 for one in self.discount_allocations)
        return max(round(price * quantity - off, 4), 0.0)


class _RefundLine(msgspec.Struct, frozen=True):
    id: Name = None
    quantity: Amount = None
    subtotal: Amount = None
    line_item: _Line = _Line()


class _Refund(msgspec.Struct, frozen=True):
    created_at: str | None = None
    refund_line_items: list[msgspec.Raw] = []


class _Order(msgspec.Struct, frozen=True):
    """An order, a checkout or a cart: each leaves out what it has not."""

    id: Name = None
    token: str | None = None
    cart_token: str | None = None
    email: str | None = None
    customer: Customer | None = None
    created_at: str | None = None
    processed_at: str | None = None
    updated_at: str | None = None
    cancelled_at: str | None = None
    currency: str | None = None
    test: bool | None = None
    landing_site: str | None = None
    note_attributes: object = None
    line_items: list[msgspec.Raw] = []
    refunds: list[_Refund] = []

    def customer_key(self, keys: CustomerKeys) -> str:
        """Whose it is."""
        person = self.customer or Customer()
        return customer_of(keys, person.id, email=self.email or person.email)

    def is_known(self) -> bool:
        """Whether it names a customer of the shop; an address may yet turn out to be one's."""
        return self.customer is not None and text_of(self.customer.id) is not None

    def marks(self) -> Marks:
        """Where in a mail it began: the cart's attributes come before the landing page."""
        notes = self.note_attributes if isinstance(self.note_attributes, list) else []
        named = {
            note["name"]: note.get("value")
            for note in notes
            if isinstance(note, dict) and isinstance(note.get("name"), str)
        }
        noted, landed = marks_of(named), marks_in(self.landing_site)
        return Marks(*(one or other for one, other in zip(noted, landed, strict=True)))


_ORDER = msgspec.json.Decoder(_Order)
_LINE = msgspec.json.Decoder(_Line)
_REFUND_LINE = msgspec.json.Decoder(_RefundLine)


class _Told(NamedTuple):
    """What lines share.

    Attributes:
        name: What their ids begin with.
        type: What happened.
        customer: Customer key.
        at: When.
        currency: Of their money.
        marks: Where in a mail it began.
    """

    name: str
    type: EventType
    customer: str
    at: datetime
    currency: str | None
    marks: Marks = Marks()

    def event(self, name: str, item: str, quantity: float | None, value: float | None) -> Event:
        """What happened to one line."""
        return Event(
            id=f"{self.name}:{name}",
            type=self.type,
            customer=self.customer,
            occurred_at=self.at,
            item=item,
            quantity=1.0 if quantity is None else quantity,
            value=value,
            currency=self.currency,
            block=self.marks.block,
            send=self.marks.send,
            slate=self.marks.slate,
            source=NAME,
        )


class Orders:
    """Reads orders, checkouts and carts.

    Args:
        sold_as: Which of Shopify's ids the catalogue's items have.
    """

    def __init__(self, sold_as: SoldAs) -> None:
        self._sold_as: SoldAs = sold_as

    def order(self, body: bytes, keys: CustomerKeys, now: datetime, gathered: Gathered) -> None:
        """Purchases and returns of an order, as far as it has come.

        Raises:
            InputError: It is no order, or nobody's.
        """
        order = decoded(body, _ORDER)
        if order.test:
            return
        name = f"{NAME}:{_id(order.id, 'id')}"
        customer, currency = order.customer_key(keys), currency_of(order.currency)
        at = moment_of(order.processed_at or order.created_at, "processed_at")
        lines = partial(_lines, gathered, body, now)
        bought = _Told(name, EventType.PURCHASE, customer, at, currency, order.marks())
        lines(order.line_items, partial(self._line, bought))
        for refund in order.refunds:
            when = moment_of(refund.created_at, "refunds.created_at")
            back = _Told(name, EventType.RETURN, customer, when, currency)
            lines(refund.refund_line_items, partial(self._refunded, back))
        if order.cancelled_at:
            when = moment_of(order.cancelled_at, "cancelled_at")
            rest = _Told(name, EventType.RETURN, customer, when, currency)
            lines(order.line_items, partial(self._cancelled, rest, _units_refunded(order)))
        if order.cart_token and order.is_known():
            alias = _cart_key(order.cart_token, keys)
            gathered.add(body, keeping(lambda: [joins(NAME, customer, alias, at)], now))

    def cart(self, body: bytes, keys: CustomerKeys, now: datetime, gathered: Gathered) -> None:
        """What is in a cart or a checkout: an item goes in once, however its number changes.

        Raises:
            InputError: It is neither.
        """
        cart = decoded(body, _ORDER)
        alias = _cart_key(_id(cart.cart_token or cart.token, "token"), keys)
        told = cart.is_known() or bool(cart.email)
        customer = cart.customer_key(keys) if told else alias
        at = moment_of(cart.updated_at or cart.created_at, "updated_at")
        name, currency = f"{NAME}:cart:{alias}", currency_of(cart.currency)
        added = _Told(name, EventType.CART, customer, at, currency, cart.marks())
        _lines(gathered, body, now, cart.line_items, partial(self._line, added))
        if cart.is_known():
            gathered.add(body, keeping(lambda: [joins(NAME, customer, alias, at)], now))

    def _line(self, told: _Told, raw: msgspec.Raw) -> Iterator[Event]:
        line = decoded(raw, _LINE)
        item, quantity = self._item(line), number_of(line.quantity)
        # A cart and its checkout call the same line otherwise; its variant is the same.
        number = line.variant_id if told.type is EventType.CART else line.id
        if item is not None and quantity != 0:
            yield told.event(_id(number, "line_items.id"), item, quantity, line.value())

    def _refunded(self, told: _Told, raw: msgspec.Raw) -> Iterator[Event]:
        back = decoded(raw, _REFUND_LINE)
        item, quantity = self._item(back.line_item), number_of(back.quantity)
        if item is not None and quantity != 0:
            line = _id(back.line_item.id, "line_item.id")
            name = f"{line}:refund:{_id(back.id, 'refund_line_items.id')}"
            yield told.event(name, item, quantity, number_of(back.subtotal))

    def _cancelled(
        self, told: _Told, refunded: dict[str | None, float], raw: msgspec.Raw
    ) -> Iterator[Event]:
        line = decoded(raw, _LINE)
        item, bought, value = self._item(line), number_of(line.quantity) or 0.0, line.value()
        left = bought - refunded.get(text_of(line.id), 0.0)
        if item is not None and 0 < left <= bought:
            back = None if value is None else round(value * left / bought, 4)
            yield told.event(f"{_id(line.id, 'line_items.id')}:cancelled", item, left, back)

    def _item(self, line: _Line) -> str | None:
        """The item's id; None for what is no product, like a tip or a line of free text."""
        if text_of(line.product_id) is None:
            return None
        ids = {"product": line.product_id, "variant": line.variant_id, "sku": line.sku}
        item = text_of(ids[self._sold_as])
        if item is None:
            reason = f"a line without its {self._sold_as}"
            cure = "give every variant one, or have items known by their product"
            raise refused(field="line_items", reason=reason, cure=cure)
        return item


def _lines(
    gathered: Gathered,
    body: bytes,
    now: datetime,
    lines: Iterable[msgspec.Raw],
    read: Callable[[msgspec.Raw], Iterable[Event]],
) -> None:
    for line in lines:
        gathered.add(body, keeping(partial(read, line), now))


def _id(name: Name, field: str) -> str:
    text = text_of(name)
    if text is None:
        raise refused(field, "missing", "send it as Shopify does")
    return text


def _cart_key(token: str, keys: CustomerKeys) -> str:
    # What follows the question mark opens the cart to whoever has it.
    return keys.resolve(f"{NAME}-cart:{token.partition('?')[0]}")


def _units_refunded(order: _Order) -> dict[str | None, float]:
    """Line's id → units that were refunded; a refund that can't be read is told elsewhere."""
    units: dict[str | None, float] = {}
    for refund in order.refunds:
        for raw in refund.refund_line_items:
            try:
                back = decoded(raw, _REFUND_LINE)
            except InputError:
                continue
            name = text_of(back.line_item.id)
            units[name] = units.get(name, 0.0) + (number_of(back.quantity) or 0.0)
    return units
