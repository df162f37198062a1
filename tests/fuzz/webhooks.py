"""Every source of webhooks, and Segment: any delivery, forged, signed, read, and read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlencode

from features.errors import Unauthenticated
from features.settings import Settings
from features.sources.again import METHOD, origin_of, read_again, readers_of
from features.sources.generic import Generic
from features.sources.opening import SOURCES, Opened, open_sources
from features.sources.segment import METHODS, Segment, write_key
from features.sources.source import Delivery, Received
from tests.fuzz.message import ADDRESS, delivery_in, written
from tests.fuzz.signing import SECRET, SECRETS, SIGNERS
from tests.fuzz.target import Target, check_sound
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources import (
    test_any_shop,
    test_cloudevents_http,
    test_customerio,
    test_generic,
    test_klaviyo,
    test_mailchimp,
    test_mailgun,
    test_mandrill,
    test_postmark,
    test_segment,
    test_sendgrid,
    test_shopify,
    test_shopify_items,
    test_standard_webhooks,
    test_woocommerce,
)

Payload = tuple[Any, Mapping[str, str]]
"""What is told, and the headers that say of what kind it is."""

CLICK = {"event": "click", "url": "https://shop.example/?homing_item=lamp&homing_block=hero"}
PAYLOADS: Mapping[str, Sequence[Payload]] = {
    "sendgrid": [([test_sendgrid.TOLD, test_sendgrid.TOLD | CLICK], {})],
    "mailgun": [
        (test_mailgun.told(), {}),
        (test_mailgun.told(**{**CLICK, "event": "clicked"}), {}),
    ],
    "postmark": [
        (one, {}) for one in (test_postmark.OPEN, test_postmark.BOUNCE, test_postmark.CHANGE)
    ],
    "mailchimp": [(test_mailchimp.UNSUBSCRIBED, {})],
    "mandrill": [({"mandrill_events": json.dumps([test_mandrill.TOLD] * 2)}, {})],
    "klaviyo": [
        ({"data": [test_klaviyo.told(included=[test_klaviyo.profile(email="a@b.example")])]}, {})
    ],
    "customerio": [(test_customerio.TOLD, {}), (test_customerio.told("clicked", href="x"), {})],
    "shopify": [
        (test_any_shop.FULL, {"x-shopify-topic": "orders/updated"}),
        (test_shopify.CHECKOUT, {"x-shopify-topic": "checkouts/update"}),
        (test_shopify.CUSTOMER, {"x-shopify-topic": "customers/update"}),
        (test_shopify_items.PRODUCT, {"x-shopify-topic": "products/update"}),
        ({"id": 7}, {"x-shopify-topic": "products/delete"}),
    ],
    "stripe": [test_any_shop.DELIVERIES[name][1:] for name in ("checkout.session", "charge")],
    "woocommerce": [
        (test_woocommerce.ORDER, {"x-wc-webhook-topic": "order.updated"}),
        (test_woocommerce.PRODUCT, {"x-wc-webhook-topic": "product.updated"}),
        ({"id": 7}, {"x-wc-webhook-topic": "product.deleted"}),
    ],
    "standard-webhooks": [([test_standard_webhooks.VIEW], {})],
    "cloudevents": [
        (test_cloudevents_http.EVENT, {"content-type": test_cloudevents_http.STRUCTURED}),
        ([test_cloudevents_http.EVENT], {"content-type": test_cloudevents_http.BATCH}),
        (test_cloudevents_http.DATA, test_cloudevents_http.HEADERS),
    ],
    "till": [(test_generic.RECEIPT, {})],
}
FORMS = {"mailchimp", "mandrill"}
"""Sources whose bodies are forms."""
CALLS = ("track", "identify", "page", "screen", "alias", "group")


def opened() -> dict[str, Opened]:
    """All that are built in, and a till."""
    environ = {
        f"HOMING_WEBHOOK_{name.upper().replace('-', '_')}_SECRET": SECRETS.get(name, SECRET)
        for name in SOURCES
    }
    sources = open_sources(Settings(public_url=ADDRESS), environ)
    return {**sources, "till": Opened("till", Generic(test_generic.TILL, [SECRET]))}


def takes(opened: Opened, again: Callable[[str, bytes], Received], piece: bytes) -> None:
    """A delivery as it is, which is forged unless nobody changed it; then as its sender signs it.

    Raises:
        AssertionError: What the sender signed is refused, or what is read breaks a limit.
    """
    delivery = delivery_in(piece)
    with suppress(Unauthenticated):
        opened.source.verify(delivery, NOW)
    signed = SIGNERS[opened.name](delivery)
    if signed is not None:
        try:
            opened.source.verify(signed, NOW)
        except Unauthenticated as error:
            raise AssertionError(error) from error
    received = opened.source.read(signed or delivery, KEYS, NOW)
    check_sound(received)
    origin = origin_of(opened.name, delivery.headers, opened.headers)
    for letter in received.unreadable:
        check_sound(again(origin, letter.body))


def seed(name: str, payload: Payload) -> bytes:
    """A delivery as its sender sends it."""
    told, headers = payload
    body = urlencode(told).encode() if name in FORMS else json.dumps(told).encode()
    delivery = SIGNERS[name](Delivery(body, headers, url=f"{ADDRESS}/v1/webhooks/any"))
    assert delivery is not None
    return written(delivery.body, delivery.headers, urlencode(delivery.query))


def track(again: Callable[[str, bytes], Received], piece: bytes) -> None:
    """A call of Segment's; its method stands where the query does."""
    delivery = delivery_in(piece)
    called = next(iter(delivery.query), "batch")
    method = METHODS.get(called, "batch")
    write_key(delivery.body)
    received = Segment().read(method, delivery.body, KEYS, NOW)
    check_sound(received)
    for letter in received.unreadable:
        check_sound(again(origin_of("segment", {METHOD: method}, (METHOD,)), letter.body))


def targets() -> list[Target]:
    """Each source, and Segment."""
    sources = opened()
    readers = readers_of(sources, "product_id")

    def again(origin: str, body: bytes) -> Received:
        name = origin.partition("?")[0]
        return read_again(readers[name], origin, body, KEYS, NOW)

    of_sources = [
        Target(
            name, partial(takes, one, again), [seed(name, payload) for payload in PAYLOADS[name]]
        )
        for name, one in sources.items()
    ]
    calls = [
        written(json.dumps({**message, "type": name}).encode(), query=f"{name}=")
        for message in test_any_shop.BATCH["batch"]
        for name in CALLS
    ]
    batch = written(json.dumps(test_any_shop.BATCH).encode(), query="batch=")
    page = test_segment.message(type="page", properties=test_segment.PRODUCT)
    more = written(json.dumps(page).encode(), query="page=")
    return [*of_sources, Target("segment", partial(track, again), [batch, more, *calls])]
