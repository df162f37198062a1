from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from features.event import Event, EventType
from features.sources.segment import METHODS, Segment, write_key
from features.sources.source import Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import APPLE, CHROME
from tests.unit.features.sources.shopping import ANN, JSON, dumped, events_of

SEGMENT = Segment()
USER = KEYS.resolve("019mr8mf4r")
VISITOR = KEYS.resolve("anonymous:507f191e810c19729de860ea")
HOUR = timedelta(hours=1)

PRODUCT: JSON = {"product_id": "lamp", "sku": "L-1", "price": 24.75, "quantity": 2}
ORDER: JSON = {
    "order_id": "50314b8e",
    "total": 49.5,
    "currency": "usd",
    "products": [PRODUCT, {"sku": "H-1", "price": "5"}],
}


def message(**fields: JSON) -> JSON:
    return {"userId": "019mr8mf4r", "messageId": "m-1", "type": "track", **fields}


def call(method: str, payload: JSON, segment: Segment = SEGMENT) -> Received:
    return segment.read(method, dumped(payload), KEYS, NOW)


def tracked(name: str, properties: JSON = None, **fields: JSON) -> list[Event]:
    return events_of(call("track", message(event=name, properties=properties, **fields)))


def test_a_completed_order_is_a_purchase_of_each_product() -> None:
    lamp, hat = tracked("Order Completed", ORDER)
    assert lamp == Event(
        id="segment:m-1:0",
        type=EventType.PURCHASE,
        customer=USER,
        occurred_at=NOW,
        item="lamp",
        quantity=2.0,
        value=49.5,
        currency="USD",
        source="segment",
    )
    assert (hat.id, hat.item, hat.quantity, hat.value) == ("segment:m-1:1", "H-1", 1.0, 5.0)
    (back, _) = tracked("Order Refunded", ORDER)
    assert (back.type, back.item, back.value) == (EventType.RETURN, "lamp", 49.5)
    assert tracked("Order Completed", {"products": [{**PRODUCT, "quantity": 0}]}) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Product Viewed", "view"),
        ("Viewed Product", "view"),
        ("product added", "cart"),
        ("Products Searched", "search"),
        ("Email Delivered", "email_delivered"),
        ("Email Opened", "email_open"),
        ("Email Link Clicked", "email_click"),
        ("Email Bounced", "email_bounce"),
        ("Email Marked as Spam", "email_complaint"),
        ("Unsubscribed", "unsubscribe"),
        ("Live Chat Conversation Started", "support_contact"),
    ],
)
def test_the_names_of_the_specifications_are_our_types(name: str, kind: str) -> None:
    (event,) = tracked(name, PRODUCT)
    assert (event.type, event.id) == (kind, "segment:m-1")


def test_what_was_viewed_was_not_paid() -> None:
    (viewed,) = tracked("Product Viewed", {**PRODUCT, "currency": "USD"})
    assert (viewed.item, viewed.quantity, viewed.value, viewed.currency) == ("lamp", 1, None, None)
    (added,) = tracked("Product Added", {**PRODUCT, "currency": "USD"})
    assert (added.item, added.quantity, added.value, added.currency) == ("lamp", 2, 49.5, "USD")
    (free,) = tracked("Product Added", {"product_id": "lamp"})
    assert free.value is None


def test_items_are_known_by_the_field_that_the_catalogue_has() -> None:
    by_sku, payload = Segment("sku"), message(event="Product Viewed", properties=PRODUCT)
    assert [one.item for one in events_of(call("track", payload, by_sku))] == ["L-1"]
    old = message(event="Viewed Product", properties={"id": 507})
    assert [one.item for one in events_of(call("track", old, by_sku))] == ["507"]


def test_a_mail_is_its_send_and_a_click_says_what_its_link_says() -> None:
    properties = {
        "email_id": "18vzF7u3z",
        "campaign_id": "123",
        "link_url": "https://shop.example/?homing_item=lamp&homing_block=hero&e=ann@example.com",
    }
    (click,) = tracked("Email Link Clicked", properties)
    assert (click.send, click.item, click.block) == ("18vzF7u3z", "lamp", "hero")
    (opened,) = tracked("Email Opened", {"campaign_id": 123, "homing_send": "spring"})
    assert (opened.send, opened.item) == ("spring", None)
    (sent,) = tracked("Email Sent", {"campaign_id": 123})
    assert sent.send == "123"


def test_a_page_that_a_mail_led_to_keeps_the_mails_marks() -> None:
    page = {"page": {"url": "https://shop.example/lamp?homing_send=spring&homing_slate=sl_1"}}
    (viewed,) = tracked("Product Viewed", PRODUCT, context=page)
    assert (viewed.send, viewed.slate) == ("spring", "sl_1")


@pytest.mark.parametrize("context", [None, 7, {"page": 7}, {"page": {"url": "http://["}}])
def test_a_context_of_any_form_is_allowed(context: JSON) -> None:
    (viewed,) = tracked("Product Viewed", PRODUCT, context=context)
    assert viewed.send is None


def test_robots_are_marked() -> None:
    (person,) = tracked("Email Opened", {}, context={"userAgent": CHROME})
    (robot,) = tracked("Email Opened", {}, context={"userAgent": APPLE})
    assert (person.machine, robot.machine) == (False, True)


def test_a_visitor_is_known_by_the_anonymous_id_and_a_reader_by_the_address() -> None:
    (visitor,) = tracked(
        "Product Viewed", PRODUCT, userId="", anonymousId="507f191e810c19729de860ea"
    )
    assert visitor.customer == VISITOR
    traits = {"traits": {"email": " Ann@example.com"}}
    (reader,) = tracked("Email Opened", userId=None, context=traits)
    assert reader.customer == ANN


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, NOW),
        ({"timestamp": "2026-02-01T00:00:00Z"}, datetime(2026, 2, 1, tzinfo=UTC)),
        # The client's clock is an hour ahead of ours; the event is two hours old.
        (
            {"timestamp": (NOW - HOUR).isoformat(), "sentAt": (NOW + HOUR).isoformat()},
            NOW - 2 * HOUR,
        ),
        (
            {
                "originalTimestamp": (NOW - HOUR).isoformat(),
                "timestamp": "2020-01-01T00:00:00Z",
                "sentAt": NOW.isoformat(),
            },
            NOW - HOUR,
        ),
    ],
)
def test_a_wrong_clock_is_corrected(fields: JSON, expected: datetime) -> None:
    (event,) = tracked("Product Viewed", PRODUCT, **fields)
    assert event.occurred_at == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": "2015-2-02T00:30:08.276Z"},
        {"timestamp": "2026-02-01T00:00:00Z", "sentAt": "noon"},
        {"timestamp": "9999-12-31T00:00:00Z", "sentAt": "0001-01-01T00:00:00Z"},
        {"timestamp": "1980-01-01T00:00:00Z"},
        {"userId": None},
        {"properties": {"product_id": ["lamp"]}},
        {"properties": {}},
        {"event": 7},
        {"messageId": "x" * 200},
    ],
)
def test_what_cant_be_an_event_is_a_dead_letter(fields: JSON) -> None:
    payload = message(**{"event": "Product Viewed", "properties": PRODUCT, **fields})
    received = call("track", payload)
    assert received.events == []
    assert [letter.body for letter in received.unreadable] == [dumped(payload)]


def test_a_product_that_cant_be_read_does_not_silence_the_others() -> None:
    order = {**ORDER, "products": [{"product_id": []}, PRODUCT, {"name": "a bag"}]}
    payload = message(event="Order Completed", properties=order)
    received = call("track", payload)
    assert [event.id for event in received.events] == ["segment:m-1:1"]
    assert [letter.body for letter in received.unreadable] == [dumped(payload)]


def test_an_order_without_products_says_what_to_send() -> None:
    (letter,) = call("track", message(event="Order Completed")).unreadable
    assert letter.reason.startswith("properties.products: missing")


def test_identify_and_alias_say_who_a_visitor_is() -> None:
    known = message(type="identify", anonymousId="507f191e810c19729de860ea")
    (joined,) = events_of(call("identify", known))
    assert (joined.type, joined.customer, joined.alias) == (EventType.IDENTIFY, USER, VISITOR)
    before = message(type="alias", previousId="507f191e810c19729de860ea")
    assert events_of(call("alias", before)) == [joined]


def test_nobody_can_call_a_customer_an_anonymous_visitor() -> None:
    for method, told in (
        ("identify", message(anonymousId="019mr8mf4r-other")),
        ("alias", message(previousId="019mr8mf4r-other")),
    ):
        (joined,) = events_of(call(method, told))
        assert joined.alias not in {None, KEYS.resolve("019mr8mf4r-other")}


@pytest.mark.parametrize(
    ("method", "payload"),
    [
        ("identify", message(traits={"email": "ann@example.com"})),
        ("identify", {"anonymousId": "507f191e810c19729de860ea"}),
        ("alias", message()),
        ("alias", message(userId="anonymous:one", previousId="one")),
        ("group", message(groupId="8e9df332ac")),
        ("page", message(name="Home", properties={"url": "https://shop.example"})),
        ("screen", message(name="Home", properties=None)),
        ("track", message(event="Song Played", properties={"currency": 7})),
        ("track", message(event="Product List Viewed", properties={"products": [PRODUCT]})),
    ],
)
def test_what_says_nothing_that_we_keep_is_left_out(method: str, payload: JSON) -> None:
    assert call(method, payload) == Received([], [], [], [])


def test_a_page_of_a_product_is_a_view() -> None:
    (viewed,) = events_of(call("page", message(properties=PRODUCT)))
    assert (viewed.type, viewed.item) == (EventType.VIEW, "lamp")


def test_a_batch_is_read_one_by_one_with_its_own_time_of_sending() -> None:
    bad = message(event="Product Viewed", messageId=7)
    stamped = {"timestamp": NOW.isoformat()}
    batch = [
        message(event="Product Viewed", properties=PRODUCT, **stamped),
        bad,
        message(type="identify", anonymousId="507f191e810c19729de860ea", **stamped),
        message(type="Track"),
        7,
    ]
    received = call("batch", {"batch": batch, "sentAt": (NOW + HOUR).isoformat()})
    assert [event.type for event in received.events] == ["view", "identify"]
    assert {event.occurred_at for event in received.events} == {NOW - HOUR}
    assert [letter.body for letter in received.unreadable] == [dumped(bad), b"7"]


def test_a_batch_that_is_none_is_a_dead_letter() -> None:
    for body in (b"{}", b"", b'{"batch": {}}', b"\xff"):
        (letter,) = SEGMENT.read("batch", body, KEYS, NOW).unreadable
        assert letter.body == body


def test_a_message_without_an_id_is_the_same_when_it_is_sent_again() -> None:
    one = {"userId": "7", "event": "Products Searched", "properties": {"query": "lamp"}}
    later = {**one, "sentAt": NOW.isoformat()}
    other = {**one, "properties": {"query": "hat"}}
    first, again, another = (events_of(call("track", m))[0].id for m in (one, later, other))
    assert first == again
    assert first != another


def test_libraries_of_browsers_send_the_first_letter_alone() -> None:
    assert METHODS["t"] == METHODS["track"] == "track"
    assert METHODS["import"] == METHODS["b"] == "batch"
    assert set(METHODS.values()) == {
        "track", "identify", "page", "screen", "alias", "group", "batch",
    }  # fmt: skip


def test_a_write_key_may_stand_in_the_body() -> None:
    assert write_key(b'{"writeKey": "abc", "event": 7}') == "abc"
    assert write_key(b"{}") is None
    assert write_key(b"[]") is None
