"""The HTTP tracking API of Segment, which RudderStack's libraries speak too.

Who may write is told by a key that whoever serves this checks. A call is one message, or a batch of
them; each is read on its own. What was done is told by the names of Segment's specifications for
shops (version 2, and the names of version 1) and for mail; other names, groups and pages of no
product are left out.

A client's clock may be wrong: as Segment does it, a message is dated `receivedAt − (sentAt −
originalTimestamp)`. `identify` and `alias` say who an anonymous visitor is; an e-mail address in
the traits does not, for anybody can write one there. A key for writing is public where a browser
has it: so anonymous ids have a space of their own, and none can be that of a customer.

Sources: "HTTP API Source" (https://segment.com/docs/connections/sources/catalog/libraries/server/
http-api/), "Spec: Common Fields" on timestamps (https://segment.com/docs/connections/spec/common/),
"Spec: V2 Ecommerce Events" (https://segment.com/docs/connections/spec/ecommerce/v2/), "Spec: Email
Events" (https://segment.com/docs/connections/spec/email/), and its libraries' short paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final, Literal, NamedTuple

import msgspec

from features.errors import InputError
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.sources.reading import (
    Amount,
    Gathered,
    Marks,
    Name,
    Part,
    Reader,
    currency_of,
    customer_of,
    decoded,
    digest_of,
    keeping,
    marks_in,
    marks_of,
    moment_of,
    number_of,
    refused,
    text_of,
)
from features.sources.robots import is_robot
from features.sources.source import Received

NAME: Final = "segment"
METHODS: Final = {
    name: method
    for method in ("track", "identify", "page", "screen", "alias", "group", "batch")
    for name in (method, method[0])
} | {"import": "batch"}
"""Last part of a call's path → its method; libraries of browsers send the first letter alone."""

_TRACKED: Final = {
    "product viewed": EventType.VIEW,
    "viewed product": EventType.VIEW,
    "product added": EventType.CART,
    "added product": EventType.CART,
    "order completed": EventType.PURCHASE,
    "completed order": EventType.PURCHASE,
    "order refunded": EventType.RETURN,
    "order cancelled": EventType.RETURN,
    "products searched": EventType.SEARCH,
    "email sent": EventType.EMAIL_SENT,
    "email delivered": EventType.EMAIL_DELIVERED,
    "email opened": EventType.EMAIL_OPEN,
    "email link clicked": EventType.EMAIL_CLICK,
    "email bounced": EventType.EMAIL_BOUNCE,
    "email marked as spam": EventType.EMAIL_COMPLAINT,
    "unsubscribed": EventType.UNSUBSCRIBE,
    "live chat conversation started": EventType.SUPPORT_CONTACT,
}
_OF_ITEMS: Final = frozenset({EventType.PURCHASE, EventType.RETURN})

ItemField = Literal["product_id", "sku"]


class _Product(msgspec.Struct, frozen=True):
    product_id: Name = None
    sku: Name = None
    id: Name = None
    price: Amount = None
    quantity: Amount = None

    def value(self) -> float | None:
        """Money of all units."""
        price, quantity = number_of(self.price), number_of(self.quantity)
        return None if price is None else round(price * (1.0 if quantity is None else quantity), 4)


class _Properties(_Product, frozen=True):
    currency: str | None = None
    products: list[msgspec.Raw] = []
    email_id: Name = None
    campaign_id: Name = None
    link_url: str | None = None
    homing_item: object = None
    homing_block: object = None
    homing_send: object = None
    homing_slate: object = None


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    type: str | None = None
    user_id: Name = None
    anonymous_id: Name = None
    previous_id: Name = None
    message_id: str | None = None
    original_timestamp: str | None = None
    timestamp: str | None = None
    sent_at: str | None = None
    event: str | None = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    context: object = None

    def told(self, *path: str) -> str | None:
        """A text in the context."""
        found = self.context
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else None


class _Batch(msgspec.Struct, frozen=True, rename="camel"):
    batch: list[msgspec.Raw]
    sent_at: str | None = None


class _Keyed(msgspec.Struct, frozen=True, rename="camel"):
    write_key: str | None = None


_MESSAGE = msgspec.json.Decoder(_Message)
_BATCH = msgspec.json.Decoder(_Batch)
_KEYED = msgspec.json.Decoder(_Keyed)
_PROPERTIES = msgspec.json.Decoder(_Properties | None)
_PRODUCT = msgspec.json.Decoder(_Product)
_FIELDS = msgspec.json.Decoder(dict[str, object])


class _Call(NamedTuple):
    """How a message came.

    Attributes:
        method: Its own; None where the message says it.
        sent_at: When its batch was sent.
        keys: Turns outside ids into customer keys.
        now: When it came.
    """

    method: str | None
    sent_at: str | None
    keys: CustomerKeys
    now: datetime


def write_key(body: bytes) -> str | None:
    """The write key in a call's body, where its headers have none; None when there is none."""
    try:
        return decoded(body, _KEYED).write_key
    except InputError:
        return None


class Segment:
    """Reads calls.

    Args:
        item: Which of a product's fields is the catalogue's id; the other where it is missing.
    """

    def __init__(self, item: ItemField = "product_id") -> None:
        self._by_sku = item == "sku"

    def read(self, method: str, body: bytes, keys: CustomerKeys, now: datetime) -> Received:
        """What a call says; never raises, whatever its bytes are.

        Args:
            method: One of the values of `METHODS`.
            body: As it was before it was compressed.
            keys: Turns outside ids into customer keys.
            now: When it came, aware.
        """
        gathered = Gathered()
        if method != "batch":
            self._add(gathered, body, _Call(method, None, keys, now))
            return gathered.received()
        try:
            batch = decoded(body, _BATCH)
        except InputError as error:
            gathered.refuse(body, error)
            return gathered.received()
        for part in batch.batch:
            self._add(gathered, part, _Call(None, batch.sent_at, keys, now))
        return gathered.received()

    def _add(self, gathered: Gathered, part: Part, call: _Call) -> None:
        try:
            for read in self._readers(part, call):
                gathered.add(part, keeping(read, call.now))
        except InputError as error:
            gathered.refuse(part, error)

    def _readers(self, part: Part, call: _Call) -> Iterator[Reader]:
        """What gives a message's events: one for each product, so that none silences another."""
        message = decoded(part, _MESSAGE)
        method = call.method or METHODS.get(message.type or "")
        kind = _kind(message, method)
        if kind is None:
            return
        email = message.told("traits", "email")
        told = Event(
            id=f"{NAME}:{message.message_id or _digest(part)}",
            type=kind,
            customer=customer_of(
                call.keys, message.user_id, _anonymous(message.anonymous_id), email=email
            ),
            occurred_at=_moment(message, call),
            source=NAME,
            machine=is_robot(message.told("userAgent")),
        )
        if kind is EventType.IDENTIFY:
            other = message.previous_id if method == "alias" else message.anonymous_id
            yield partial(_identities, told, message.user_id, other, call.keys)
            return
        properties = decoded(message.properties, _PROPERTIES) or _Properties()
        marks = _marks(properties, message)
        told = msgspec.structs.replace(told, block=marks.block, send=marks.send, slate=marks.slate)
        if kind in _OF_ITEMS:
            yield from self._lines(told, properties)
        elif kind in (EventType.VIEW, EventType.CART):
            if method == "track" or self._item(properties) is not None:
                yield partial(self._of, told, properties, properties.currency)
        else:
            send = marks.send or text_of(properties.email_id) or text_of(properties.campaign_id)
            item = marks.item or self._item(properties)
            yield lambda: [msgspec.structs.replace(told, item=item, send=send)]

    def _lines(self, told: Event, properties: _Properties) -> Iterator[Reader]:
        if not properties.products:
            cure = "send what was bought or came back as properties.products"
            raise refused(field="properties.products", reason="missing", cure=cure)
        for index, raw in enumerate(properties.products):
            line = msgspec.structs.replace(told, id=f"{told.id}:{index}")
            yield partial(self._line, line, raw, properties.currency)

    def _line(self, told: Event, raw: msgspec.Raw, currency: str | None) -> Iterator[Event]:
        product = decoded(raw, _PRODUCT)
        if number_of(product.quantity) != 0:
            yield from self._of(told, product, currency)

    def _of(self, told: Event, product: _Product, currency: str | None) -> Iterator[Event]:
        """What was done to one product; what a viewed one costs was not spent."""
        quantity = number_of(product.quantity)
        spent = told.type is not EventType.VIEW
        yield msgspec.structs.replace(
            told,
            item=self._item(product),
            quantity=1.0 if quantity is None or not spent else quantity,
            value=product.value() if spent else None,
            currency=currency_of(currency) if spent else None,
        )

    def _item(self, product: _Product) -> str | None:
        number, sku = text_of(product.product_id) or text_of(product.id), text_of(product.sku)
        return (sku or number) if self._by_sku else (number or sku)


def _kind(message: _Message, method: str | None) -> EventType | None:
    if method == "track":
        return _TRACKED.get((message.event or "").strip().lower())
    if method in ("page", "screen"):
        return EventType.VIEW
    return EventType.IDENTIFY if method in ("identify", "alias") else None


def _identities(told: Event, user: Name, other: Name, keys: CustomerKeys) -> Iterator[Event]:
    if text_of(user) is None or text_of(other) is None:
        return  # somebody is told of, but no one else to be
    alias = customer_of(keys, _anonymous(other))
    if alias != told.customer:
        yield msgspec.structs.replace(told, alias=alias)


def _anonymous(name: Name) -> str | None:
    """The outside id of a visitor."""
    text = text_of(name)
    return None if text is None else f"anonymous:{text}"


def _marks(properties: _Properties, message: _Message) -> Marks:
    """Where in a mail it began: as told, as the clicked link or as the page's address says."""
    named = marks_of(msgspec.structs.asdict(properties))
    links = (marks_in(properties.link_url), marks_in(message.told("page", "url")))
    return Marks(*(next(filter(None, found), None) for found in zip(named, *links, strict=True)))


def _moment(message: _Message, call: _Call) -> datetime:
    original = message.original_timestamp or message.timestamp
    if not original:
        return call.now
    at, sent = moment_of(original, "timestamp"), message.sent_at or call.sent_at
    if not sent:
        return at
    try:
        return call.now - (moment_of(sent, "sentAt") - at)
    except OverflowError:
        raise refused(field="sentAt", reason="out of range", cure="send the time") from None


def _digest(part: Part) -> str:
    """Of what is the same when a call is sent again."""
    message = decoded(part, _FIELDS)
    message.pop("sentAt", None)
    return digest_of(msgspec.json.encode(message, order="deterministic").decode())
