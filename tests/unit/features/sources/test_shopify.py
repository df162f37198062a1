from __future__ import annotations

from datetime import UTC, datetime

import pytest

from features.errors import SettingsError
from features.event import Event, EventType
from features.sources.shopify import Shopify
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import is_refused, passes
from tests.unit.features.sources.shopping import ANN, JSON, dumped, events_of, signed, told

SOURCE = Shopify(["hush"])
SEVEN = KEYS.resolve("115310627314723954")
CART = KEYS.resolve("shopify-cart:68778783ad298f1c80c3bafcddeea02f")
ORDERED = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SIGNED = {"x-shopify-hmac-sha256": "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="}

LINE: JSON = {
    "id": 866550311766439020,
    "product_id": 632910392,
    "variant_id": 808950810,
    "sku": "IPOD2008PINK",
    "quantity": 2,
    "current_quantity": 2,
    "price": "199.00",
    "total_discount": "0.00",
    "discount_allocations": [{"amount": "8.00", "discount_application_index": 0}],
    "properties": [],
    "taxable": True,
}
ORDER: JSON = {
    "id": 820982911946154508,
    "created_at": "2026-01-05T07:00:05-05:00",
    "processed_at": "2026-01-05T07:00:00-05:00",
    "cancelled_at": None,
    "currency": "USD",
    "email": "jon@example.com",
    "test": False,
    "landing_site": "/products/ipod?utm_source=mail&homing_send=spring&homing_slate=sl_1",
    "note_attributes": [{"name": "gift", "value": "yes"}],
    "cart_token": None,
    "customer": {"id": 115310627314723954, "email": "john@example.com"},
    "line_items": [LINE],
    "refunds": [],
}
REFUND: JSON = {
    "id": 890088186047892319,
    "order_id": 820982911946154508,
    "created_at": "2026-01-09T00:00:00Z",
    "refund_line_items": [
        {
            "id": 487817672276298627,
            "line_item_id": 866550311766439020,
            "quantity": 1,
            "subtotal": 195.0,
            "line_item": LINE,
        }
    ],
}


def of(topic: str, payload: JSON, source: Shopify = SOURCE, **headers: str) -> Received:
    return told(source, payload, x_shopify_topic=topic, **headers)


def test_a_delivery_is_taken_that_the_secret_signed() -> None:
    # printf '%s' '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
    assert passes(SOURCE, Delivery(b'{"id":1}', SIGNED), NOW)
    assert passes(Shopify(["new", "hush"]), Delivery(b'{"id":1}', SIGNED), NOW)
    assert signed("hush", b'{"id":1}') == SIGNED["x-shopify-hmac-sha256"]


def test_a_delivery_is_refused_that_it_did_not_sign() -> None:
    is_refused(SOURCE, Delivery(b'{"id":2}', SIGNED), NOW, "signature")
    is_refused(Shopify(["other"]), Delivery(b'{"id":1}', SIGNED), NOW, "signature")
    is_refused(SOURCE, Delivery(b'{"id":1}'), NOW, "x-shopify-hmac-sha256")
    is_refused(SOURCE, Delivery(b"", {"x-shopify-hmac-sha256": "é"}), NOW, "signature")


def test_a_source_without_a_secret_is_no_source() -> None:
    with pytest.raises(SettingsError, match="shopify"):
        Shopify([])


@pytest.mark.parametrize("topic", ["orders/create", "orders/updated", "orders/paid"])
def test_the_lines_of_an_order_are_purchases_by_whatever_topic(topic: str) -> None:
    assert events_of(of(topic, ORDER)) == [
        Event(
            id="shopify:820982911946154508:866550311766439020",
            type=EventType.PURCHASE,
            customer=SEVEN,
            occurred_at=ORDERED,
            item="632910392",
            quantity=2.0,
            value=390.0,
            currency="USD",
            send="spring",
            slate="sl_1",
            source="shopify",
        )
    ]


def test_a_line_costs_nothing_at_the_least() -> None:
    line = {**LINE, "discount_allocations": [{"amount": "300.00"}, {"amount": "98.01"}]}
    (event,) = events_of(of("orders/create", {**ORDER, "line_items": [line]}))
    assert event.value == 0.0


@pytest.mark.parametrize(("sold_as", "item"), [("variant", "808950810"), ("sku", "IPOD2008PINK")])
def test_items_are_known_by_what_the_catalogue_has(sold_as: JSON, item: str) -> None:
    (event,) = events_of(of("orders/create", ORDER, Shopify(["hush"], sold_as=sold_as)))
    assert event.item == item


def test_a_guest_is_known_by_the_address() -> None:
    for change in (
        {"email": " Ann@Example.com"},
        {"email": "", "customer": {"email": "ann@example.com"}},
    ):
        (event,) = events_of(of("orders/create", {**ORDER, "customer": None, **change}))
        assert event.customer == ANN


def test_an_order_of_nobody_is_a_dead_letter() -> None:
    received = of("orders/create", {**ORDER, "customer": None, "email": ""})
    ((body, reason),) = received.unreadable
    assert (received.events, body) == ([], dumped({**ORDER, "customer": None, "email": ""}))
    assert "customer: it names none" in reason


def test_the_carts_attributes_come_before_the_landing_page() -> None:
    notes = [{"name": "homing_send", "value": "autumn"}, {"name": "homing_block", "value": "hero"}]
    (event,) = events_of(of("orders/create", {**ORDER, "note_attributes": notes}))
    assert (event.send, event.block, event.slate) == ("autumn", "hero", "sl_1")


def test_a_line_that_cant_be_read_does_not_silence_the_others() -> None:
    broken = [{**LINE, "id": 1, "quantity": []}, LINE, {**LINE, "id": 2, "quantity": -1}, 7]
    received = of("orders/create", {**ORDER, "line_items": broken})
    assert [event.id for event in received.events] == [
        "shopify:820982911946154508:866550311766439020"
    ]
    (letter,) = received.unreadable
    assert letter.body == dumped({**ORDER, "line_items": broken})
    assert "quantity" in letter.reason


def test_what_is_no_product_is_left_out_and_a_missing_sku_is_not() -> None:
    tip = {**LINE, "product_id": None}
    taken_out = {**LINE, "quantity": 0}
    assert of("orders/create", {**ORDER, "line_items": [tip, taken_out]}) == Received(
        [], [], [], []
    )
    bare = {**ORDER, "line_items": [{**LINE, "sku": ""}]}
    received = of("orders/create", bare, Shopify(["hush"], sold_as="sku"))
    assert "a line without its sku" in received.unreadable[0].reason


def test_tests_are_left_out() -> None:
    assert of("orders/create", {**ORDER, "test": True}).events == []
    assert of("orders/create", ORDER, x_shopify_test="true").events == []


def test_a_refund_takes_its_lines_back() -> None:
    bought, back = events_of(of("orders/updated", {**ORDER, "refunds": [REFUND]}))
    assert bought.type is EventType.PURCHASE
    assert back == Event(
        id="shopify:820982911946154508:866550311766439020:refund:487817672276298627",
        type=EventType.RETURN,
        customer=SEVEN,
        occurred_at=datetime(2026, 1, 9, tzinfo=UTC),
        item="632910392",
        quantity=1.0,
        value=195.0,
        currency="USD",
        source="shopify",
    )


def test_a_refund_of_money_alone_brings_nothing_back() -> None:
    money = {**REFUND, "refund_line_items": []}
    of_no_product = {**REFUND["refund_line_items"][0], "line_item": {**LINE, "product_id": None}}
    refunds = [money, {**REFUND, "refund_line_items": [of_no_product]}]
    assert len(events_of(of("orders/updated", {**ORDER, "refunds": refunds}))) == 1


def test_a_cancelled_order_takes_back_what_no_refund_did() -> None:
    cancelled = {**ORDER, "cancelled_at": "2026-01-10T00:00:00Z", "refunds": [REFUND]}
    _, refunded, rest = events_of(of("orders/cancelled", cancelled))
    assert (refunded.quantity, rest.quantity, rest.value) == (1.0, 1.0, 195.0)
    assert rest.id.endswith(":cancelled")
    whole = {**cancelled, "refunds": [REFUND, {**REFUND, "refund_line_items": [7]}]}
    received = of("orders/cancelled", whole)
    assert len(received.events) == 3
    assert len(received.unreadable) == 1
    all_back = {**REFUND["refund_line_items"][0], "quantity": 2}
    nothing_left = {**cancelled, "refunds": [{**REFUND, "refund_line_items": [all_back]}]}
    assert len(of("orders/cancelled", nothing_left).events) == 2
    without_price = {**cancelled, "line_items": [{**LINE, "price": None}], "refunds": []}
    assert of("orders/cancelled", without_price).events[1].value is None


def test_a_refund_of_its_own_says_what_to_subscribe_to() -> None:
    (letter,) = of("refunds/create", REFUND).unreadable
    assert "orders/updated" in letter.reason


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request", "shop/redact"])
def test_a_request_of_the_law_is_shown_to_somebody(topic: str) -> None:
    (letter,) = of(topic, {"shop_id": 1, "customer": {"email": "ann@example.com"}}).unreadable
    assert "by hand" in letter.reason
    assert "ann" not in letter.reason


CARTS: JSON = {
    "id": "68778783ad298f1c80c3bafcddeea02f",
    "token": "68778783ad298f1c80c3bafcddeea02f",
    "updated_at": "2026-01-04T00:00:00Z",
    "created_at": "2026-01-03T00:00:00Z",
    "line_items": [{**LINE, "id": 808950810, "discount_allocations": []}],
}
CHECKOUT: JSON = {
    "id": 981820079255243537,
    "token": "123123123",
    "cart_token": "68778783ad298f1c80c3bafcddeea02f",
    "email": None,
    "currency": "USD",
    "updated_at": "2026-01-04T01:00:00Z",
    "line_items": [{**LINE, "id": None, "key": "f5c4", "discount_allocations": []}],
}


def test_a_cart_belongs_to_its_token_until_a_checkout_says_whose_it_is() -> None:
    (added,) = events_of(of("carts/update", CARTS))
    assert added.id == f"shopify:cart:{CART}:808950810"
    assert (added.type, added.customer, added.item) == (EventType.CART, CART, "632910392")
    assert (added.quantity, added.value) == (2.0, 398.0)
    (again,) = events_of(of("checkouts/create", CHECKOUT))
    assert (again.id, again.customer) == (added.id, CART)
    (named,) = events_of(of("checkouts/update", {**CHECKOUT, "email": "ann@example.com"}))
    assert (named.id, named.customer) == (added.id, ANN)
    known = {**CHECKOUT, "customer": ORDER["customer"]}
    _, joined = events_of(of("checkouts/update", known))
    assert joined == Event(
        id=f"shopify:identify:{SEVEN}:{CART}",
        type=EventType.IDENTIFY,
        customer=SEVEN,
        occurred_at=datetime(2026, 1, 4, 1, tzinfo=UTC),
        source="shopify",
        alias=CART,
    )


def test_an_order_says_whose_cart_it_was_and_no_secret_is_kept() -> None:
    token = "68778783ad298f1c80c3bafcddeea02f?key=opensesame"
    _, joined = events_of(of("orders/create", {**ORDER, "cart_token": token}))
    assert (joined.customer, joined.alias) == (SEVEN, CART)


def test_a_cart_without_a_token_is_a_dead_letter() -> None:
    (letter,) = of("carts/create", {**CARTS, "token": None}).unreadable
    assert letter.reason.startswith("token: missing")
    empty = {**CARTS, "line_items": [{**LINE, "quantity": 0}]}
    assert of("carts/update", empty).events == []


CUSTOMER: JSON = {
    "id": 115310627314723954,
    "email": "Ann@example.com",
    "verified_email": True,
    "created_at": "2026-01-01T00:00:00Z",
    "email_marketing_consent": {
        "state": "unsubscribed",
        "opt_in_level": "single_opt_in",
        "consent_updated_at": "2026-01-02T00:00:00Z",
    },
}


def test_a_customer_with_a_verified_address_is_joined_to_it() -> None:
    joined, left = events_of(of("customers/update", CUSTOMER))
    assert (joined.type, joined.customer, joined.alias) == (EventType.IDENTIFY, SEVEN, ANN)
    assert left == Event(
        id=f"shopify:unsubscribe:{SEVEN}:1767312000",
        type=EventType.UNSUBSCRIBE,
        customer=SEVEN,
        occurred_at=datetime(2026, 1, 2, tzinfo=UTC),
        source="shopify",
    )
    plain = {**CUSTOMER, "verified_email": False, "email_marketing_consent": None}
    assert of("customers/create", plain).events == []


def test_a_consent_that_is_taken_back_is_an_unsubscription() -> None:
    consent = {**CUSTOMER, "id": None, "customer_id": 115310627314723954, "verified_email": None}
    (left,) = events_of(of("customers_email_marketing_consent/update", consent))
    assert (left.type, left.customer) == (EventType.UNSUBSCRIBE, SEVEN)


def test_other_topics_are_left_out_and_what_is_no_json_is_not() -> None:
    nothing = Received([], [], [], [])
    assert of("fulfillments/create", {"id": 1}) == nothing
    assert SOURCE.read(Delivery(b"{}"), KEYS, NOW) == nothing
    received = SOURCE.read(Delivery(b"\xff", {"x-shopify-topic": "orders/create"}), KEYS, NOW)
    assert [one.body for one in received.unreadable] == [b"\xff"]
    (letter,) = of("orders/create", {**ORDER, "id": None}).unreadable
    assert letter.reason == "id: missing; send it as Shopify does"
