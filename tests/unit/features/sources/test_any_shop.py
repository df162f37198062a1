"""Whatever a sender of shops' deliveries sends, there is an answer and no other error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import Unauthenticated
from features.event import check_event
from features.item import check_item
from features.sources.cloudevents_http import CloudEvents
from features.sources.generic import Generic
from features.sources.segment import METHODS, Segment
from features.sources.shopify import Shopify
from features.sources.source import Delivery, Received, Source
from features.sources.standard_webhooks import StandardWebhooks
from features.sources.stripe import Stripe
from features.sources.woocommerce import WooCommerce
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources import (
    test_cloudevents_http,
    test_generic,
    test_segment,
    test_shopify,
    test_shopify_items,
    test_standard_webhooks,
    test_stripe,
    test_woocommerce,
)
from tests.unit.features.sources.shopping import JSON, dumped, mangled

SHOP = {"x-shopify-topic": "orders/updated"}
FULL = {
    **test_shopify.ORDER,
    "cart_token": "abc",
    "cancelled_at": "2026-01-10T00:00:00Z",
    "refunds": [test_shopify.REFUND],
}
DELIVERIES: dict[str, tuple[Source, JSON, dict[str, str]]] = {
    "order": (Shopify(["s"]), FULL, SHOP),
    "checkout": (Shopify(["s"]), test_shopify.CHECKOUT, {"x-shopify-topic": "checkouts/update"}),
    "customer": (Shopify(["s"]), test_shopify.CUSTOMER, {"x-shopify-topic": "customers/update"}),
    "product": (
        Shopify(["s"], sold_as="variant", storefront="https://a.example"),
        test_shopify_items.PRODUCT,
        {"x-shopify-topic": "products/update"},
    ),
    "woo": (
        WooCommerce(["s"]),
        {**test_woocommerce.ORDER, "status": "refunded"},
        {"x-wc-webhook-topic": "order.updated"},
    ),
    "woo-product": (
        WooCommerce(["s"]),
        test_woocommerce.PRODUCT,
        {"x-wc-webhook-topic": "product.updated"},
    ),
    "checkout.session": (
        Stripe(["s"]),
        test_stripe.event_of("checkout.session.completed", test_stripe.SESSION),
        {},
    ),
    "charge": (
        Stripe(["s"]),
        test_stripe.event_of(
            "charge.refunded",
            {"id": "ch_1", "amount_refunded": 9, "metadata": {"item": "a", "customer": "7"}},
            previous_attributes={"amount_refunded": 4},
        ),
        {},
    ),
    "event": (StandardWebhooks(["c2VjcmV0"]), [test_standard_webhooks.VIEW], {}),
    "cloudevent": (
        CloudEvents(["a token of the sender"]),
        test_cloudevents_http.EVENT,
        {"content-type": "application/cloudevents+json"},
    ),
    "binary": (
        CloudEvents(["a token of the sender"]),
        test_cloudevents_http.DATA,
        test_cloudevents_http.HEADERS,
    ),
    "till": (Generic(test_generic.TILL, ["s"]), test_generic.RECEIPT, {}),
}
BATCH = {
    "batch": [
        test_segment.message(event="Order Completed", properties=test_segment.ORDER),
        test_segment.message(type="identify", anonymousId="a", timestamp="2026-01-01T00:00:00Z"),
    ],
    "sentAt": "2026-01-01T00:00:00Z",
}
SIGNING = (
    "x-shopify-hmac-sha256",
    "x-wc-webhook-signature",
    "stripe-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "authorization",
    "x-till-signature",
    "x-till-time",
    "x-till-delivery",
)
shown = st.text() | st.sampled_from(
    ["t=1772323200,v1=00", "v1,AAAA", "1772323200", "Bearer x", "sha256=00", "é=", "=" * 99]
)


def is_sound(received: Received) -> bool:
    """Whether all of it keeps its limits, and no reason names the person."""
    reasons = " ".join(letter.reason for letter in received.unreadable)
    return (
        all(check_event(event, NOW) is None for event in received.events)
        and all(check_item(item) is None for item in received.items)
        and not any(name in reasons.lower() for name in ("example.com", "115310627314723954"))
    )


@pytest.mark.parametrize("name", DELIVERIES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_payload_with_anything_in_it_is_read(name: str, data: st.DataObject) -> None:
    source, payload, headers = DELIVERIES[name]
    body = dumped(data.draw(mangled(payload)))
    assert is_sound(source.read(Delivery(body, headers), KEYS, NOW))


@settings(max_examples=60)
@given(payload=mangled(BATCH))
def test_a_call_with_anything_in_it_is_read(payload: JSON) -> None:
    assert is_sound(Segment().read("batch", dumped(payload), KEYS, NOW))


@pytest.mark.parametrize("name", DELIVERIES)
@settings(max_examples=30)
@given(body=st.binary(), header=st.text(), value=st.text())
def test_any_bytes_are_read(name: str, body: bytes, header: str, value: str) -> None:
    source, _, headers = DELIVERIES[name]
    changed = {**headers, **dict.fromkeys(headers, value)} if header else headers
    assert is_sound(source.read(Delivery(body, {header: value, **changed}), KEYS, NOW))


@settings(max_examples=50)
@given(body=st.binary(), method=st.sampled_from(sorted(set(METHODS.values()))))
def test_any_bytes_of_a_call_are_read(body: bytes, method: str) -> None:
    assert is_sound(Segment().read(method, body, KEYS, NOW))


@pytest.mark.parametrize("name", DELIVERIES)
@settings(max_examples=40)
@given(
    body=st.binary(max_size=20),
    headers=st.fixed_dictionaries({}, optional=dict.fromkeys(SIGNING, shown)),
    query=st.dictionaries(st.just("access_token"), shown),
)
def test_a_forged_delivery_is_refused_by_a_declared_error(
    name: str, body: bytes, headers: dict[str, str], query: dict[str, str]
) -> None:
    verify: Callable[..., str | None] = DELIVERIES[name][0].verify
    with pytest.raises(Unauthenticated):
        verify(Delivery(body, headers, query, url="https://shop.example"), NOW)
