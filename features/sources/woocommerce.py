"""WooCommerce: orders, customers and products of a shop on WordPress.

A delivery is signed by base64 of the HMAC-SHA256 of the raw body under the webhook's secret. Its
topic is not signed, and nothing tells when it was sent; the ids of its events tell a repetition.

An order's lines are purchases once it is paid, or is being done (paid on delivery). They are
returns once it is wholly refunded, or cancelled after that. A refund of a part is a sum without
lines there, and is left out. A deleted order says nothing but its number.

The test that WooCommerce sends when a webhook is saved is not signed, and is refused: the webhook
works all the same.

Sources: "Webhooks", "Order properties" and "Product properties" of the REST API
(https://woocommerce.github.io/woocommerce-rest-api-docs/); how deliveries are signed, and the test,
in `WC_Webhook` (https://github.com/woocommerce/woocommerce).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from features.errors import InputError
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.item import Item
from features.sources.reading import (
    Amount,
    Gathered,
    Name,
    SoldAs,
    currency_of,
    customer_of,
    decoded,
    email_id,
    joins,
    keeping,
    marks_of,
    moment_of,
    name_of,
    number_of,
    refused,
    text_of,
)
from features.sources.signatures import Keyed, from_base64, header, secret_bytes
from features.sources.source import Delivery, Received

NAME: Final = "woocommerce"

_ORDERS: Final = frozenset({"order.created", "order.updated", "order.restored"})
_CUSTOMERS: Final = frozenset({"customer.created", "customer.updated"})
_PRODUCTS: Final = frozenset({"product.created", "product.updated", "product.restored"})
_DONE: Final = frozenset({"processing", "completed", "refunded"})
"""Statuses of an order that is bought."""
_ON_DELIVERY: Final = "cod"
"""Paid to whoever brings it."""


class _Billing(msgspec.Struct, frozen=True):
    email: str | None = None


class _Line(msgspec.Struct, frozen=True):
    id: Name = None
    product_id: Name = None
    variation_id: Name = None
    sku: str | None = None
    quantity: Amount = None
    total: Amount = None


class _Order(msgspec.Struct, frozen=True):
    id: Name = None
    status: str | None = None
    currency: str | None = None
    customer_id: Name = None
    billing: _Billing = _Billing()
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    date_paid_gmt: str | None = None
    payment_method: str | None = None
    meta_data: object = None
    line_items: list[msgspec.Raw] = []

    def told(self) -> dict[str, object]:
        """What plugins and the shop noted with it."""
        notes = self.meta_data if isinstance(self.meta_data, list) else []
        return {
            note["key"]: note.get("value")
            for note in notes
            if isinstance(note, dict) and isinstance(note.get("key"), str)
        }

    def is_taken_back(self) -> bool:
        """Whether what was bought is given back."""
        paid = bool(self.date_paid_gmt) or self.payment_method == _ON_DELIVERY
        return self.status == "refunded" or (self.status == "cancelled" and paid)


class _Customer(msgspec.Struct, frozen=True):
    id: Name = None
    email: str | None = None
    date_created_gmt: str | None = None


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Image(msgspec.Struct, frozen=True):
    src: str | None = None


class _Product(msgspec.Struct, frozen=True):
    id: Name = None
    name: str | None = None
    type: str | None = None
    status: str | None = None
    catalog_visibility: str | None = None
    stock_status: str | None = None
    permalink: str | None = None
    sku: str | None = None
    price: Amount = None
    categories: list[_Named] = []
    brands: list[_Named] = []
    images: list[_Image] = []


_ORDER = msgspec.json.Decoder(_Order)
_LINE = msgspec.json.Decoder(_Line)
_CUSTOMER = msgspec.json.Decoder(_Customer)
_PRODUCT = msgspec.json.Decoder(_Product)


class WooCommerce:
    """Webhooks of a shop.

    Args:
        secrets: The webhooks' secret, the same for all topics.
        sold_as: Which of WooCommerce's ids the catalogue's items have.
        currency: Of the products' prices, ISO 4217: a product does not say it.

    Raises:
        SettingsError: There is no secret.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        sold_as: SoldAs = "product",
        currency: str | None = None,
    ) -> None:
        self._keyed = Keyed(secret_bytes(secrets, NAME), "sha256")
        self._sold_as: SoldAs = sold_as
        self._currency = currency

    def verify(self, delivery: Delivery, now: datetime) -> None:  # noqa: ARG002 - no time is signed
        """See Source.verify."""
        given = from_base64(header(delivery, "x-wc-webhook-signature"))
        self._keyed.check([given], delivery.body)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        gathered = Gathered()
        try:
            self._read(delivery, keys, now, gathered)
        except InputError as error:
            gathered.refuse(delivery.body, error)
        return gathered.received()

    def _read(
        self, delivery: Delivery, keys: CustomerKeys, now: datetime, gathered: Gathered
    ) -> None:
        topic, body = delivery.headers.get("x-wc-webhook-topic", "").lower(), delivery.body
        if topic in _ORDERS:
            order = decoded(body, _ORDER)
            for line in order.line_items:
                read = partial(self._line, order, line, keys)
                gathered.add(body, keeping(read, now))
        elif topic in _CUSTOMERS:
            gathered.add(body, keeping(partial(_customer, body, keys), now))
        elif topic in _PRODUCTS:
            product = decoded(body, _PRODUCT)
            if self._is_sold(product):
                gathered.put(body, self._item(product))
        elif topic == "product.deleted":
            gathered.lose(self._gone(decoded(body, _PRODUCT)))

    def _line(self, order: _Order, raw: msgspec.Raw, keys: CustomerKeys) -> Iterator[Event]:
        line = decoded(raw, _LINE)
        item, quantity = self._item_of(line), number_of(line.quantity)
        bought = bool(order.date_paid_gmt) or order.status in _DONE
        back = order.is_taken_back()
        if item is None or quantity == 0 or not (bought or back):
            return
        told = order.told()
        marks = marks_of(told)
        name = f"{NAME}:{_id(order.id, 'id')}:{_id(line.id, 'line_items.id')}"
        purchase = Event(
            id=name,
            type=EventType.PURCHASE,
            customer=customer_of(
                keys,
                name_of(told.get("homing_customer")),
                _account(order.customer_id),
                email=order.billing.email,
            ),
            occurred_at=moment_of(order.date_created_gmt, "date_created_gmt"),
            item=item,
            quantity=1.0 if quantity is None else quantity,
            value=number_of(line.total),
            currency=currency_of(order.currency),
            block=marks.block,
            send=marks.send,
            slate=marks.slate,
            source=NAME,
        )
        yield purchase
        if back:
            yield msgspec.structs.replace(
                purchase,
                id=f"{name}:back",
                type=EventType.RETURN,
                occurred_at=moment_of(order.date_modified_gmt, "date_modified_gmt"),
            )

    def _item_of(self, line: _Line) -> str | None:
        """The item's id; None for what is no product any more."""
        product = _account(line.product_id)
        if product is None:
            return None
        ids = {"product": product, "variant": _account(line.variation_id) or product}
        item = text_of(line.sku) if self._sold_as == "sku" else ids[self._sold_as]
        if item is None:
            cure = "give every product one, or have items known by their product"
            raise refused(field="line_items", reason="a line without its sku", cure=cure)
        return item

    def _is_sold(self, product: _Product) -> bool:
        """Whether the product is an item by itself, and not one that has or is a variant."""
        other = "variation" if self._sold_as == "product" else "variable"
        return product.type != other

    def _item(self, product: _Product) -> Item:
        seen = product.catalog_visibility != "hidden" and product.status == "publish"
        return Item(
            id=text_of(product.sku if self._sold_as == "sku" else product.id) or "",
            title=html.unescape(product.name or ""),
            url=product.permalink or "",
            image_url=next((image.src for image in product.images if image.src), ""),
            price=number_of(product.price),
            currency=self._currency,
            categories=_names(product.categories),
            brand=next(iter(_names(product.brands)), None),
            in_stock=seen and product.stock_status != "outofstock",
        )

    def _gone(self, product: _Product) -> str:
        if self._sold_as == "sku":
            reason = "a deleted product says nothing of its sku"
            cure = "send its item with in_stock false to PUT /v1/items"
            raise refused(field="id", reason=reason, cure=cure)
        return _id(product.id, "id")


def _customer(body: bytes, keys: CustomerKeys) -> Iterator[Event]:
    person = decoded(body, _CUSTOMER)
    customer = customer_of(keys, _account(person.id))
    if person.email:
        alias = keys.resolve(email_id(person.email))
        yield joins(NAME, customer, alias, moment_of(person.date_created_gmt, "date_created_gmt"))


def _account(name: Name) -> str | None:
    """An id; None for the 0 that stands for none."""
    text = text_of(name)
    return None if text == "0" else text


def _id(name: Name, field: str) -> str:
    text = _account(name)
    if text is None:
        raise refused(field, "missing", "send it as WooCommerce does")
    return text


def _names(named: Sequence[_Named]) -> tuple[str, ...]:
    return tuple(name for name in (html.unescape(one.name).strip() for one in named) if name)
