"""The names of the lake's columns, each spelled once."""

from __future__ import annotations

from typing import Final

ID: Final = "id"
TYPE: Final = "type"
CUSTOMER: Final = "customer"
OCCURRED_AT: Final = "occurred_at"
ITEM: Final = "item"
QUANTITY: Final = "quantity"
VALUE: Final = "value"
CURRENCY: Final = "currency"
BLOCK: Final = "block"
SEND: Final = "send"
SLATE: Final = "slate"
SOURCE: Final = "source"
ITEMS: Final = "items"
SERVED_BY: Final = "served_by"
MODEL: Final = "model"
MACHINE: Final = "machine"
ALIAS: Final = "alias"
DATE: Final = "date"
"""The UTC day of `occurred_at` as `YYYY-MM-DD`; partitions the events."""

EVENT: Final = (
    ID,
    TYPE,
    CUSTOMER,
    OCCURRED_AT,
    ITEM,
    QUANTITY,
    VALUE,
    CURRENCY,
    BLOCK,
    SEND,
    SLATE,
    SOURCE,
    ITEMS,
    SERVED_BY,
    MODEL,
    MACHINE,
    ALIAS,
    DATE,
)
"""Columns of the table of events: the fields of `Event`, and the partition."""

TITLE: Final = "title"
URL: Final = "url"
IMAGE_URL: Final = "image_url"
PRICE: Final = "price"
CATEGORIES: Final = "categories"
BRAND: Final = "brand"
IN_STOCK: Final = "in_stock"
AVAILABLE_FROM: Final = "available_from"
AVAILABLE_UNTIL: Final = "available_until"
ATTRIBUTES: Final = "attributes"

CATALOGUE: Final = (
    ID,
    TITLE,
    URL,
    IMAGE_URL,
    PRICE,
    CURRENCY,
    CATEGORIES,
    BRAND,
    IN_STOCK,
    AVAILABLE_FROM,
    AVAILABLE_UNTIL,
    ATTRIBUTES,
)
"""Columns of the table of items: the fields of `Item`."""
