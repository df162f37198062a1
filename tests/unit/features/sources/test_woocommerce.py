from __future__ import annotations

from datetime import UTC, datetime

import pytest

from features.event import Event, EventType
from features.sources.source import Delivery, Received
from features.sources.woocommerce import WooCommerce
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import is_refused, passes
from tests.unit.features.sources.shopping import ANN, JSON, events_of, told

SOURCE = WooCommerce(["hush"], currency="EUR")
SEVEN = KEYS.resolve("7")
# printf '%s' '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
SIGNED = {"x-wc-webhook-signature": "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="}

ORDER: JSON = {
    "id": 727,
    "status": "processing",
    "currency": "USD",
    "customer_id": 7,
    "billing": {"first_name": "Ann", "email": "ann@example.com"},
    "date_created": "2026-01-05T13:00:00",
    "date_created_gmt": "2026-01-05T12:00:00",
    "date_modified_gmt": "2026-01-06T00:00:00",
    "date_paid_gmt": None,
    "payment_method": "cod",
    "meta_data": [{"id": 1, "key": "homing_send", "value": "spring"}],
    "line_items": [
        {
            "id": 315,
            "name": "Woo Single #1",
            "product_id": 93,
            "variation_id": 0,
            "quantity": 2,
            "total": "6.00",
            "sku": "single",
            "price": 3,
        }
    ],
}
LINE: JSON = ORDER["line_items"][0]
PRODUCT: JSON = {
    "id": 794,
    "name": "Shirts &amp; more",
    "type": "simple",
    "status": "publish",
    "catalog_visibility": "visible",
    "stock_status": "instock",
    "permalink": "https://shop.example/product/shirt/",
    "sku": "shirt",
    "price": "21.99",
    "categories": [
        {"id": 9, "name": "Clothing &amp; Co", "slug": "clothing"},
        {"id": 1, "name": ""},
    ],
    "brands": [{"id": 3, "name": "Acme", "slug": "acme"}],
    "images": [{"id": 792, "src": "https://shop.example/shirt.jpg"}],
}


def of(topic: str, payload: JSON, source: WooCommerce = SOURCE) -> Received:
    return told(source, payload, x_wc_webhook_topic=topic)


def test_a_delivery_is_taken_that_the_secret_signed_and_no_other() -> None:
    assert passes(SOURCE, Delivery(b'{"id":1}', SIGNED), NOW)
    assert passes(WooCommerce(["new", "hush"]), Delivery(b'{"id":1}', SIGNED), NOW)
    is_refused(SOURCE, Delivery(b'{"id":2}', SIGNED), NOW, "signature")
    # What WooCommerce sends when a webhook is saved.
    is_refused(SOURCE, Delivery(b"webhook_id=5"), NOW, "x-wc-webhook-signature")


@pytest.mark.parametrize("topic", ["order.created", "order.updated", "order.restored"])
def test_the_lines_of_an_order_that_is_being_done_are_purchases(topic: str) -> None:
    assert events_of(of(topic, ORDER)) == [
        Event(
            id="woocommerce:727:315",
            type=EventType.PURCHASE,
            customer=SEVEN,
            occurred_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
            item="93",
            quantity=2.0,
            value=6.0,
            currency="USD",
            send="spring",
            source="woocommerce",
        )
    ]


@pytest.mark.parametrize(
    ("change", "types"),
    [
        ({"status": "pending"}, []),
        ({"status": "on-hold"}, []),
        ({"status": "pending", "date_paid_gmt": "2026-01-05T12:01:00"}, ["purchase"]),
        ({"status": "completed"}, ["purchase"]),
        ({"status": "refunded"}, ["purchase", "return"]),
        ({"status": "cancelled"}, ["purchase", "return"]),
        ({"status": "cancelled", "payment_method": "bacs"}, []),
        ({"line_items": [{**LINE, "product_id": 0}, {**LINE, "quantity": 0}]}, []),
    ],
)
def test_what_an_order_means_depends_on_how_far_it_came(change: JSON, types: list[str]) -> None:
    assert [event.type for event in events_of(of("order.updated", {**ORDER, **change}))] == types


def test_what_comes_back_comes_back_when_the_order_changed() -> None:
    _, back = events_of(of("order.updated", {**ORDER, "status": "refunded"}))
    assert back.id == "woocommerce:727:315:back"
    assert back.occurred_at == datetime(2026, 1, 6, tzinfo=UTC)
    assert (back.item, back.quantity, back.value) == ("93", 2.0, 6.0)


@pytest.mark.parametrize(
    ("sold_as", "variation", "item"),
    [("variant", 0, "93"), ("variant", 94, "94"), ("sku", 94, "single"), ("product", 94, "93")],
)
def test_items_are_known_by_what_the_catalogue_has(
    sold_as: JSON, variation: int, item: str
) -> None:
    order = {**ORDER, "line_items": [{**LINE, "variation_id": variation}]}
    (event,) = events_of(of("order.created", order, WooCommerce(["hush"], sold_as=sold_as)))
    assert event.item == item


def test_a_customer_is_whom_the_shop_names_else_the_account_else_the_address() -> None:
    guest = {**ORDER, "customer_id": 0}
    named, marked = (
        {**guest, "meta_data": [{"key": "homing_customer", "value": value}]}
        for value in ("7", True)
    )
    assert [events_of(of("order.created", one))[0].customer for one in (named, marked, guest)] == [
        SEVEN,
        ANN,
        ANN,
    ]
    nobody = of("order.created", {**guest, "billing": {}})
    assert "names none" in nobody.unreadable[0].reason


def test_a_line_that_cant_be_read_does_not_silence_the_others() -> None:
    lines = [{**LINE, "id": None}, LINE, {**LINE, "id": 2, "sku": 5}, {**LINE, "id": 3}]
    received = of("order.created", {**ORDER, "line_items": lines})
    assert [event.id for event in received.events] == ["woocommerce:727:315", "woocommerce:727:3"]
    assert [letter.reason for letter in received.unreadable] == [
        "line_items.id: missing; send it as WooCommerce does"
    ]
    bare = {**ORDER, "line_items": [{**LINE, "sku": ""}]}
    received = of("order.created", bare, WooCommerce(["hush"], sold_as="sku"))
    assert "a line without its sku" in received.unreadable[0].reason


def test_a_customer_is_joined_to_the_accounts_address() -> None:
    person = {"id": 7, "email": "ann@example.com", "date_created_gmt": "2026-01-01T00:00:00"}
    (joined,) = events_of(of("customer.created", person))
    assert (joined.type, joined.customer, joined.alias) == (EventType.IDENTIFY, SEVEN, ANN)
    assert joined.id == f"woocommerce:identify:{SEVEN}:{ANN}"
    assert events_of(of("customer.updated", {**person, "email": ""})) == []


def test_a_product_is_an_item() -> None:
    (item,) = of("product.updated", PRODUCT).items
    assert (item.id, item.title, item.brand) == ("794", "Shirts & more", "Acme")
    assert (item.price, item.currency, item.in_stock) == (21.99, "EUR", True)
    assert item.categories == ("Clothing & Co",)
    assert item.url == "https://shop.example/product/shirt/"
    assert item.image_url == "https://shop.example/shirt.jpg"


@pytest.mark.parametrize(
    "change",
    [{"status": "draft"}, {"catalog_visibility": "hidden"}, {"stock_status": "outofstock"}],
)
def test_a_product_that_nobody_can_buy_is_sold_out(change: JSON) -> None:
    (item,) = of("product.updated", {**PRODUCT, **change}).items
    assert not item.in_stock


def test_variants_are_items_only_where_those_are_sold() -> None:
    by_variant = WooCommerce(["hush"], sold_as="variant")
    assert of("product.created", {**PRODUCT, "type": "variation"}).items == []
    assert of("product.created", {**PRODUCT, "type": "variable"}, by_variant).items == []
    (item,) = of("product.created", {**PRODUCT, "type": "variation"}, by_variant).items
    assert item.id == "794"


def test_a_deleted_product_is_gone() -> None:
    assert of("product.deleted", {"id": 794}).gone == ["794"]
    (letter,) = of("product.deleted", {"id": 1}, WooCommerce(["hush"], sold_as="sku")).unreadable
    assert "PUT /v1/items" in letter.reason


def test_other_topics_are_left_out_and_what_is_no_json_is_not() -> None:
    assert of("coupon.created", {"id": 1}) == Received([], [], [], [])
    assert of("order.deleted", {"id": 1}) == Received([], [], [], [])
    (letter,) = of("product.created", {**PRODUCT, "name": ""}).unreadable
    assert letter.reason.startswith("title: ")
    headers = {"x-wc-webhook-topic": "order.created"}
    assert len(SOURCE.read(Delivery(b"{", headers), KEYS, NOW).unreadable) == 1
