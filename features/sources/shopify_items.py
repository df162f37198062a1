"""Shopify's products as items of the catalogue.

Source: "Webhooks", products/create, products/update and products/delete
(https://shopify.dev/docs/api/webhooks/latest).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import msgspec

from features.item import Item
from features.sources.reading import (
    Amount,
    Gathered,
    Name,
    SoldAs,
    decoded,
    number_of,
    refused,
    text_of,
)
from features.sources.source import Delivery

_SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,59}\.myshopify\.com", re.ASCII)
_ONLY: Final = "Default Title"
"""What Shopify calls the variant of a product that has none."""


class _Image(msgspec.Struct, frozen=True):
    id: Name = None
    src: str | None = None


class _Category(msgspec.Struct, frozen=True):
    full_name: str | None = None


class _Variant(msgspec.Struct, frozen=True):
    id: Name = None
    title: str | None = None
    sku: str | None = None
    price: Amount = None
    image_id: Name = None
    inventory_policy: str | None = None
    inventory_management: str | msgspec.UnsetType | None = msgspec.UNSET
    inventory_quantity: Amount = None

    def is_left(self) -> bool:
        """Whether one can be bought; versions before 2024-07 say whether the stock is counted."""
        counted = self.inventory_management is not None
        return (
            not counted
            or self.inventory_policy == "continue"
            or (number_of(self.inventory_quantity) or 0.0) > 0
        )


class _Product(msgspec.Struct, frozen=True):
    id: Name = None
    title: str | None = None
    handle: str | None = None
    vendor: str | None = None
    product_type: str | None = None
    category: _Category | None = None
    status: str | None = None
    published_at: str | None = None
    image: _Image | None = None
    images: list[_Image] = []
    variants: list[_Variant] = []

    def categories(self) -> tuple[str, ...]:
        """From the broadest to the narrowest."""
        path = (self.category and self.category.full_name) or self.product_type or ""
        return tuple(name for name in map(str.strip, path.split(" > ")) if name)

    def picture(self, variant: _Variant) -> str:
        """The variant's own picture, else the product's."""
        wanted = text_of(variant.image_id)
        own = (image.src for image in self.images if wanted and text_of(image.id) == wanted)
        return next(own, None) or (self.image and self.image.src) or ""


_PRODUCT = msgspec.json.Decoder(_Product)


class Shelf:
    """Reads products.

    Args:
        sold_as: Which of Shopify's ids the catalogue's items have.
        storefront: Address that the products' pages are under; "" for the one a delivery names.
        currency: Of the prices.
        counts_stock: Whether a variant of which there are none left is sold out.
    """

    def __init__(
        self, sold_as: SoldAs, storefront: str, currency: str | None, *, counts_stock: bool
    ) -> None:
        self._sold_as = sold_as
        self._storefront = storefront.rstrip("/")
        self._currency = currency
        self._counts_stock = counts_stock

    def put(self, delivery: Delivery, gathered: Gathered) -> None:
        """The items of a product; a variant that breaks a limit does not silence the others.

        Raises:
            InputError: It is no product.
        """
        for item in self._items(decoded(delivery.body, _PRODUCT), delivery):
            gathered.put(delivery.body, item)

    def drop(self, delivery: Delivery, gathered: Gathered) -> None:
        """That a product is no longer sold.

        Raises:
            InputError: Its items are not known by its id.
        """
        item = text_of(decoded(delivery.body, _PRODUCT).id)
        if item is None or self._sold_as != "product":
            reason = "a deleted product says nothing of its variants"
            cure = "send its items with in_stock false to PUT /v1/items"
            raise refused(field="id", reason=reason, cure=cure)
        gathered.lose(item)

    def _items(self, product: _Product, delivery: Delivery) -> Iterator[Item]:
        page = self._page(product, delivery)
        if self._sold_as == "product":
            first = product.variants[0] if product.variants else _Variant()
            left = not product.variants or any(map(self._is_left, product.variants))
            yield self._item(product, first, text_of(product.id), page, left=left)
            return
        for variant in product.variants:
            name = text_of(variant.id if self._sold_as == "variant" else variant.sku)
            address = page and f"{page}?variant={text_of(variant.id)}"
            yield self._item(product, variant, name, address, left=self._is_left(variant))

    def _item(
        self, product: _Product, variant: _Variant, name: str | None, page: str, *, left: bool
    ) -> Item:
        title = product.title or ""
        if self._sold_as != "product" and variant.title not in (None, "", _ONLY):
            title = f"{title} – {variant.title}"
        return Item(
            id=name or "",
            title=title,
            url=page,
            image_url=product.picture(variant),
            price=number_of(variant.price),
            currency=self._currency,
            categories=product.categories(),
            brand=product.vendor or None,
            in_stock=left and product.status == "active" and bool(product.published_at),
        )

    def _is_left(self, variant: _Variant) -> bool:
        return not self._counts_stock or variant.is_left()

    def _page(self, product: _Product, delivery: Delivery) -> str:
        shop = delivery.headers.get("x-shopify-shop-domain", "").lower()
        root = self._storefront or (f"https://{shop}" if _SHOP.fullmatch(shop) else "")
        handle = quote((product.handle or "").encode("utf-8", "replace"), safe="")
        return f"{root}/products/{handle}" if root and handle else ""
