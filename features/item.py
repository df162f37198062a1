"""An item: all that a template needs to draw one, and all that rules read of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec

from features.errors import InvalidItem, Problem, shorten
from features.event import MAX_TEXT, is_currency, limit_trouble, parse_each, schema_problem

MAX_ITEMS = 1_000
"""Items in one request."""
MAX_CATEGORIES = 20
MAX_ATTRIBUTES = 50
MAX_LONG_TEXT = 2_000
"""Characters of a title, an address or an attribute."""


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a mail can show.

    Attributes:
        id: The shop's own id; unique in the catalogue.
        title: What a reader sees.
        url: Where a click leads; http(s).
        image_url: What a reader looks at; http(s).
        price: In `currency`, from 0.
        currency: ISO 4217 code.
        categories: From the broadest to the narrowest.
        brand: As a reader knows it.
        in_stock: Out-of-stock items are never shown.
        available_from: Not shown before; aware, UTC.
        available_until: Not shown from then on; aware, UTC.
        attributes: Anything else that a template may print.
    """

    id: str
    title: str
    url: str = ""
    image_url: str = ""
    price: float | None = None
    currency: str | None = None
    categories: tuple[str, ...] = ()
    brand: str | None = None
    in_stock: bool = True
    available_from: datetime | None = None
    available_until: datetime | None = None
    attributes: dict[str, str] = {}

    def available_at(self, now: datetime) -> bool:
        """Whether a mail of that moment may show it."""
        return (
            self.in_stock
            and (self.available_from is None or self.available_from <= now)
            and (self.available_until is None or now < self.available_until)
        )


class WireItem(Item, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item as a shop writes it."""


def parse_items(raw: object) -> list[Item]:
    """Items from decoded JSON: one object or a list, whole or not at all.

    Raises:
        InvalidItem: Any element is refused; the error lists up to `MAX_PROBLEMS` problems.
        TooLarge: More than `MAX_ITEMS` elements.
    """
    items, problems = parse_each(raw, parse_item, MAX_ITEMS)
    if problems:
        raise InvalidItem(problems)
    return items


def parse_item(element: object) -> Item:
    """One item from one decoded JSON object.

    Raises:
        InvalidItem: It breaks the schema or a limit.
    """
    try:
        wire = msgspec.convert(element, WireItem)
    except msgspec.ValidationError as error:
        raise InvalidItem([schema_problem(element, str(error))]) from error
    problem = check_item(wire)
    if problem is not None:
        raise InvalidItem([problem])
    values = msgspec.structs.asdict(wire)
    for name in ("available_from", "available_until"):
        if values[name] is not None:
            values[name] = values[name].astimezone(UTC)
    return Item(**values)


def check_item(item: Item) -> Problem | None:
    """The first limit that a well-typed item breaks; None when it keeps them all."""
    return _text_problem(item) or _address_problem(item) or _value_problem(item)


def _problem(item: Item, field: str, reason: str, cure: str) -> Problem:
    value = shorten(getattr(item, field))
    return Problem(index=None, field=field, value=value, reason=reason, cure=cure)


def _text_problem(item: Item) -> Problem | None:
    if not 0 < len(item.id) <= MAX_TEXT or not item.id.isprintable():
        return _problem(item, "id", "not a usable id", f"send 1 to {MAX_TEXT} printable characters")
    if not item.title.strip() or len(item.title) > MAX_LONG_TEXT:
        return _problem(item, "title", "no title", "send what a reader should see")
    if item.brand is not None and len(item.brand) > MAX_TEXT:
        return _problem(item, "brand", "too long", f"send at most {MAX_TEXT} characters")
    if len(item.categories) > MAX_CATEGORIES or any(
        not 0 < len(name) <= MAX_TEXT for name in item.categories
    ):
        cure = f"send at most {MAX_CATEGORIES} names of 1 to {MAX_TEXT} characters"
        return _problem(item, "categories", "too many or too long", cure)
    if len(item.attributes) > MAX_ATTRIBUTES or any(
        len(name) > MAX_TEXT or len(text) > MAX_LONG_TEXT for name, text in item.attributes.items()
    ):
        cure = f"send at most {MAX_ATTRIBUTES} of at most {MAX_LONG_TEXT} characters"
        return _problem(item, "attributes", "too many or too long", cure)
    return None


def _address_problem(item: Item) -> Problem | None:
    for field in ("url", "image_url"):
        address: str = getattr(item, field)
        # An address lands in href and src of a mail: only http(s), nothing that ends an attribute.
        if address and (
            not address.startswith(("https://", "http://"))
            or len(address) > MAX_LONG_TEXT
            or not address.isprintable()
            or any(mark in address for mark in " \"'<>`")
        ):
            return _problem(item, field, "not a web address", "send http(s), percent-encoded")
    return None


def _value_problem(item: Item) -> Problem | None:
    if item.price is not None and not (math.isfinite(item.price) and item.price >= 0):
        return _problem(item, "price", "not an amount", "send a number from 0")
    if item.currency is not None and not is_currency(item.currency):
        return _problem(item, "currency", "not a currency code", "send an ISO 4217 code like GBP")
    for field in ("available_from", "available_until"):
        moment = getattr(item, field)
        if moment is None:
            continue
        trouble = limit_trouble(moment)
        if trouble is not None:
            return _problem(item, field, *trouble)
    return None
