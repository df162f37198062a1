"""Shopify: orders, carts, checkouts, customers and products of a shop.

Deliveries are signed with the app's client secret: base64 of the HMAC-SHA256 of the raw body. What
they are about stands in a header that is not signed, and nothing signed says when they were sent;
the ids of their events tell a repetition.

Source: "Verify webhook deliveries"
(https://shopify.dev/docs/apps/build/webhooks/verify-deliveries).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from features.errors import InputError
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.sources.reading import (
    Gathered,
    SoldAs,
    customer_of,
    decoded,
    email_id,
    joins,
    keeping,
    moment_of,
    refused,
)
from features.sources.shopify_items import Shelf
from features.sources.shopify_orders import NAME, Consent, Customer, Orders
from features.sources.signatures import Keyed, from_base64, header, secret_bytes
from features.sources.source import Delivery, Received

_ORDERS: Final = frozenset(
    f"orders/{what}"
    for what in ("create", "updated", "paid", "fulfilled", "partially_fulfilled", "cancelled")
)
_CARTS: Final = frozenset({"carts/create", "carts/update", "checkouts/create", "checkouts/update"})
_CUSTOMERS: Final = frozenset(
    {"customers/create", "customers/update", "customers_email_marketing_consent/update"}
)
_UNREAD: Final = {
    "refunds/create": (
        "a refund names no customer",
        "subscribe to orders/updated, which brings refunds with their order",
    ),
    **dict.fromkeys(
        ("customers/redact", "customers/data_request", "shop/redact"),
        ("a request to erase or to show what is kept of somebody", "do it by hand"),
    ),
}
"""Topics that a person has to look at → why, and what to do."""

_CUSTOMER = msgspec.json.Decoder(Customer)


class Shopify:
    """Webhooks of a shop's app.

    Args:
        secrets: The app's client secret; two while it is being changed.
        sold_as: Which of Shopify's ids the catalogue's items have.
        storefront: Address of the shop that its products' pages are under, like
            `https://www.example.com`; without it, the one that the delivery names.
        currency: Of the products' prices, ISO 4217: a product does not say it.
        counts_stock: Whether a variant of which there are none left is sold out.

    Raises:
        SettingsError: There is no secret.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        sold_as: SoldAs = "product",
        storefront: str = "",
        currency: str | None = None,
        counts_stock: bool = True,
    ) -> None:
        self._keyed = Keyed(secret_bytes(secrets, NAME), "sha256")
        self._orders = Orders(sold_as)
        self._shelf = Shelf(sold_as, storefront, currency, counts_stock=counts_stock)

    def verify(self, delivery: Delivery, now: datetime) -> None:  # noqa: ARG002 - no time is signed
        """See Source.verify."""
        given = from_base64(header(delivery, "x-shopify-hmac-sha256"))
        self._keyed.check([given], delivery.body)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        gathered = Gathered()
        if delivery.headers.get("x-shopify-test", "").lower() != "true":
            try:
                self._read(delivery, keys, now, gathered)
            except InputError as error:
                gathered.refuse(delivery.body, error)
        return gathered.received()

    def _read(
        self, delivery: Delivery, keys: CustomerKeys, now: datetime, gathered: Gathered
    ) -> None:
        topic, body = delivery.headers.get("x-shopify-topic", "").lower(), delivery.body
        if topic in _UNREAD:
            reason, cure = _UNREAD[topic]
            raise refused(field="", reason=reason, cure=cure)
        if topic in _ORDERS:
            self._orders.order(body, keys, now, gathered)
        elif topic in _CARTS:
            self._orders.cart(body, keys, now, gathered)
        elif topic in _CUSTOMERS:
            gathered.add(body, keeping(partial(_customer, body, keys), now))
        elif topic in ("products/create", "products/update"):
            self._shelf.put(delivery, gathered)
        elif topic == "products/delete":
            self._shelf.drop(delivery, gathered)


def _customer(body: bytes, keys: CustomerKeys) -> Iterator[Event]:
    person = decoded(body, _CUSTOMER)
    customer = customer_of(keys, person.id, person.customer_id)
    if person.verified_email and person.email:
        alias = keys.resolve(email_id(person.email))
        yield joins(NAME, customer, alias, moment_of(person.created_at, "created_at"))
    consent = person.email_marketing_consent or Consent()
    if consent.state == "unsubscribed":
        at = moment_of(consent.consent_updated_at, "consent_updated_at")
        yield Event(
            id=f"{NAME}:unsubscribe:{customer}:{at.timestamp():.0f}",
            type=EventType.UNSUBSCRIBE,
            customer=customer,
            occurred_at=at,
            source=NAME,
        )
