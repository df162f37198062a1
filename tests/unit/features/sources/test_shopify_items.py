from __future__ import annotations

import pytest

from features.sources.shopify import Shopify
from tests.unit.features.sources.shopping import JSON
from tests.unit.features.sources.test_shopify import of

PRODUCT: JSON = {
    "id": 788032119674292922,
    "title": "Example T-Shirt",
    "handle": "example-t-shirt",
    "vendor": "Acme",
    "product_type": "Shirts",
    "category": {"full_name": "Apparel & Accessories > Clothing"},
    "status": "active",
    "published_at": "2025-12-31T19:00:00-05:00",
    "image": {"id": 1, "src": "https://cdn.shopify.com/shirt.png"},
    "images": [{"id": 2, "src": "https://cdn.shopify.com/small.png"}],
    "variants": [
        {
            "id": 642667041472713922,
            "title": "Small",
            "sku": "shirt-s",
            "price": "19.99",
            "image_id": 2,
            "inventory_policy": "deny",
            "inventory_quantity": 0,
        },
        {
            "id": 757650484644203962,
            "title": "Medium",
            "sku": "shirt-m",
            "price": "20.99",
            "inventory_policy": "deny",
            "inventory_quantity": 75,
        },
    ],
}


def test_a_product_is_an_item() -> None:
    (item,) = of("products/update", PRODUCT, x_shopify_shop_domain="acme.myshopify.com").items
    assert (item.id, item.title, item.brand) == ("788032119674292922", "Example T-Shirt", "Acme")
    assert item.url == "https://acme.myshopify.com/products/example-t-shirt"
    assert item.image_url == "https://cdn.shopify.com/small.png"
    assert (item.price, item.currency, item.in_stock) == (19.99, None, True)
    assert item.categories == ("Apparel & Accessories", "Clothing")


def test_a_product_is_as_many_items_as_variants_where_those_are_sold() -> None:
    shop = Shopify(["hush"], sold_as="sku", storefront="https://acme.example/", currency="EUR")
    small, medium = of("products/create", PRODUCT, shop).items
    assert [small.id, medium.id] == ["shirt-s", "shirt-m"]
    assert small.title == "Example T-Shirt – Small"
    assert (small.in_stock, medium.in_stock) == (False, True)
    assert medium.url == "https://acme.example/products/example-t-shirt?variant=757650484644203962"
    assert (medium.image_url, medium.currency) == ("https://cdn.shopify.com/shirt.png", "EUR")


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"status": "draft"}, False),
        ({"published_at": None}, False),
        ({"variants": [{"price": "1", "inventory_quantity": 0}]}, False),
        (
            {"variants": [{"price": "1", "inventory_quantity": 0, "inventory_management": None}]},
            True,
        ),
        ({"variants": [{"price": "1", "inventory_policy": "continue"}]}, True),
        ({"variants": []}, True),
    ],
)
def test_a_product_is_sold_out_when_it_cant_be_bought(change: JSON, left: bool) -> None:  # noqa: FBT001
    (item,) = of("products/update", {**PRODUCT, **change}).items
    assert item.in_stock is left


def test_a_shop_that_counts_no_stock_never_runs_out() -> None:
    none = {**PRODUCT, "variants": [{"price": "1", "inventory_quantity": 0}]}
    (item,) = of("products/update", none, Shopify(["hush"], counts_stock=False)).items
    assert item.in_stock


def test_a_product_has_no_page_of_a_shop_that_nobody_names() -> None:
    for domain in ("", "evil.example", "x.myshopify.com.evil.example"):
        (item,) = of("products/update", PRODUCT, x_shopify_shop_domain=domain).items
        assert item.url == ""
    one = {
        **PRODUCT,
        "category": None,
        "image": None,
        "images": [],
        "variants": [{"title": "Default Title", "id": 5}],
    }
    (item,) = of("products/update", one, Shopify(["hush"], sold_as="variant")).items
    assert (item.id, item.title, item.image_url, item.url) == ("5", "Example T-Shirt", "", "")
    assert item.categories == ("Shirts",)


def test_a_product_that_is_no_item_is_a_dead_letter() -> None:
    received = of("products/create", {**PRODUCT, "title": ""})
    assert received.items == []
    assert received.unreadable[0].reason.startswith("title: no title")


def test_a_variant_that_is_no_item_does_not_silence_the_others() -> None:
    variants = [{"id": 1, "sku": "s"}, {"id": 2, "sku": ""}, {"id": 3, "sku": "l"}]
    product = {**PRODUCT, "variants": variants}
    received = of("products/update", product, Shopify(["hush"], sold_as="sku"))
    assert [item.id for item in received.items] == ["s", "l"]
    (letter,) = received.unreadable
    assert letter.reason.startswith("id: ")


def test_a_deleted_product_is_gone() -> None:
    assert of("products/delete", {"id": 788032119674292922}).gone == ["788032119674292922"]
    (letter,) = of("products/delete", {"id": 1}, Shopify(["hush"], sold_as="sku")).unreadable
    assert "PUT /v1/items" in letter.reason
