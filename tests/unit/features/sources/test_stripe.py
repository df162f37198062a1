from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from features.event import Event, EventType
from features.sources.source import Delivery, Received
from features.sources.stripe import Stripe
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import is_refused, passes
from tests.unit.features.sources.shopping import ANN, JSON, events_of, told

SOURCE = Stripe(["whsec_test"])
SEVEN = KEYS.resolve("7")
CUS = KEYS.resolve("cus_9")
# printf '%s' '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
BODY = b'{"id":"evt_1"}'
MAC = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
THEN = datetime.fromtimestamp(1_700_000_000, UTC)
CREATED = datetime(2026, 1, 5, 12, tzinfo=UTC)

SESSION: JSON = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "amount_total": 2500,
    "currency": "usd",
    "customer": "cus_9",
    "customer_details": {"email": "Ann@example.com", "name": "Ann"},
    "customer_email": None,
    "metadata": {"item": "lamp", "send": "spring", "slate": "sl_1", "note": "a present"},
    "mode": "payment",
    "payment_intent": "pi_5",
    "payment_status": "paid",
}


def event_of(kind: str, about: JSON, **data: JSON) -> JSON:
    return {
        "id": "evt_1",
        "object": "event",
        "created": int(CREATED.timestamp()),
        "type": kind,
        "data": {"object": about, **data},
    }


def of(kind: str, about: JSON, **data: JSON) -> Received:
    return told(SOURCE, event_of(kind, about, **data))


def signature(header: str, body: bytes = BODY) -> Delivery:
    return Delivery(body, {"stripe-signature": header})


def test_a_delivery_is_taken_that_the_secret_signed() -> None:
    assert passes(SOURCE, signature(f"t=1700000000,v1={MAC}"), THEN)
    assert passes(Stripe(["new", "whsec_test"]), signature(f"t=1700000000,v1={MAC}"), THEN)
    several = f"t=1700000000, v1=zz,v1={'0' * 64},v0=1,v1={MAC},,x"
    assert passes(SOURCE, signature(several), THEN)


@pytest.mark.parametrize(
    "header",
    [
        f"t=1700000001,v1={MAC}",
        f"v1={MAC}",
        "t=1700000000",
        "t=1700000000,v1=é",
        f"t=1700000000,v0={MAC}",
        f"t=1700000000,{'v1=00,' * 20}v1={MAC}",
        "",
    ],
)
def test_a_delivery_is_refused_that_it_did_not_sign(header: str) -> None:
    assert not passes(SOURCE, signature(header), THEN)
    assert not passes(SOURCE, signature(f"t=1700000000,v1={MAC}", b"{}"), THEN)


def test_a_delivery_is_refused_once_it_is_old() -> None:
    header, edge = f"t=1700000000,v1={MAC}", timedelta(minutes=5)
    for moment in (THEN - edge, THEN + edge):
        assert passes(SOURCE, signature(header), moment)
    for moment in (THEN - edge * 1.01, THEN + edge * 1.01):
        is_refused(SOURCE, signature(header), moment, "more than 300 s")
    assert passes(Stripe(["whsec_test"], timedelta(days=1)), signature(header), THEN + edge * 2)


def test_a_paid_checkout_is_a_purchase_of_what_the_shop_says() -> None:
    assert events_of(of("checkout.session.completed", SESSION)) == [
        Event(
            id="stripe:pi_5",
            type=EventType.PURCHASE,
            customer=ANN,
            occurred_at=CREATED,
            item="lamp",
            value=25.0,
            currency="USD",
            send="spring",
            slate="sl_1",
            source="stripe",
        )
    ]


def test_its_payment_is_the_same_event() -> None:
    intent = {
        "id": "pi_5",
        "amount_received": 2500,
        "currency": "usd",
        "receipt_email": "ann@example.com",
        "metadata": SESSION["metadata"],
    }
    assert of("payment_intent.succeeded", intent) == of("checkout.session.completed", SESSION)
    assert of("payment_intent.succeeded", {**intent, "metadata": {}}).events == []


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"payment_status": "unpaid"}, 0),
        ({"mode": "subscription"}, 0),
        ({"payment_status": "no_payment_required"}, 1),
        ({"payment_intent": None}, 1),
        ({"payment_intent": {"id": "pi_5"}}, 1),
    ],
)
def test_a_checkout_counts_once_it_is_paid(change: JSON, count: int) -> None:
    events = events_of(of("checkout.session.async_payment_succeeded", {**SESSION, **change}))
    assert len(events) == count


def test_a_checkout_that_names_no_item_is_a_dead_letter_unless_it_has_lines() -> None:
    bare = {**SESSION, "metadata": None}
    (letter,) = of("checkout.session.completed", bare).unreadable
    assert letter.reason.startswith("metadata.item: missing")
    lines = [
        {"id": "li_1", "amount_total": 1000, "quantity": 2, "price": {"product": "prod_1"}},
        {"id": "li_2", "amount_total": [], "quantity": 1},
        {"id": "li_3", "amount_total": 5, "metadata": {"item": "hat"}},
        {"id": "li_4", "amount_total": 5, "price": {"product": {"id": "prod_4"}}},
    ]
    received = of("checkout.session.completed", {**bare, "line_items": {"data": lines}})
    assert [(event.id, event.item, event.quantity, event.value) for event in received.events] == [
        ("stripe:cs_test_1:li_1", "prod_1", 2.0, 10.0),
        ("stripe:cs_test_1:li_3", "hat", 1.0, 0.05),
        ("stripe:cs_test_1:li_4", "prod_4", 1.0, 0.05),
    ]
    assert len(received.unreadable) == 1


def test_the_lines_of_a_paid_invoice_are_purchases() -> None:
    pricing = {"price_details": {"price": "price_1", "product": "prod_1"}}
    lines = [
        {
            "id": "il_1",
            "amount": 1000,
            "quantity": 1,
            "pricing": pricing,
            "discount_amounts": [{"amount": 100, "discount": "di_1"}],
        },
        {"id": "il_2", "amount": -300, "quantity": 1, "pricing": pricing},
        {"id": "il_3", "amount": 300, "quantity": 0, "pricing": pricing},
        {"id": "il_4", "quantity": 1, "pricing": pricing},
    ]
    invoice = {
        "id": "in_1",
        "currency": "jpy",
        "customer": "cus_9",
        "customer_email": None,
        "metadata": {"customer": "7"},
        "lines": {"data": lines},
    }
    first, last = events_of(of("invoice.paid", invoice))
    assert (first.id, first.item, first.customer) == ("stripe:in_1:il_1", "prod_1", SEVEN)
    assert (first.value, first.currency, last.value) == (900.0, "JPY", None)
    (again, _) = events_of(of("invoice.payment_succeeded", {**invoice, "metadata": {}}))
    assert again.customer == CUS
    assert events_of(of("invoice.paid", {**invoice, "lines": None})) == []


@pytest.mark.parametrize(
    ("code", "value"), [("kwd", 2.5), ("jpy", 2500.0), ("isk", 25.0), ("ugx", 25.0)]
)
def test_amounts_are_in_minor_units(code: str, value: float) -> None:
    (event,) = events_of(of("checkout.session.completed", {**SESSION, "currency": code}))
    assert event.value == value


def test_a_refund_is_a_return_of_what_came_back_this_time() -> None:
    charge = {
        "id": "ch_1",
        "amount": 2500,
        "amount_refunded": 2000,
        "currency": "usd",
        "billing_details": {"email": "ann@example.com"},
        "metadata": {"item": "lamp"},
    }
    received = of("charge.refunded", charge, previous_attributes={"amount_refunded": 500})
    assert events_of(received) == [
        Event(
            id="stripe:ch_1:refund:2000",
            type=EventType.RETURN,
            customer=ANN,
            occurred_at=CREATED,
            item="lamp",
            value=15.0,
            currency="USD",
            source="stripe",
        )
    ]
    (whole,) = events_of(of("charge.refunded", charge))
    assert whole.value == 20.0
    assert of("charge.refunded", {**charge, "metadata": {}}).events == []


def test_a_customer_is_joined_to_the_ids_of_the_shop() -> None:
    person = {"id": "cus_9", "email": "ann@example.com", "metadata": {"customer": "7"}}
    joined = events_of(of("customer.created", person))
    assert [(event.customer, event.alias) for event in joined] == [(SEVEN, CUS), (SEVEN, ANN)]
    assert joined[0].id == f"stripe:identify:{SEVEN}:{CUS}"
    (only,) = events_of(of("customer.updated", {**person, "email": None}))
    assert (only.customer, only.alias) == (SEVEN, CUS)
    assert events_of(of("customer.updated", {**person, "metadata": {}})) == []
    assert events_of(of("customer.created", {**person, "id": "7", "email": None})) == []


def test_a_payment_of_nobody_is_a_dead_letter() -> None:
    nobody = {**SESSION, "customer": None, "customer_details": None}
    (letter,) = of("checkout.session.completed", nobody).unreadable
    assert "names none" in letter.reason


def test_other_events_are_left_out_and_what_is_none_is_not() -> None:
    assert of("product.created", {"id": "prod_1"}) == Received([], [], [], [])
    for body in (
        b"[]",
        b"{}",
        b'{"type": "charge.refunded", "created": 1e300, "data": {"object": 1}}',
    ):
        assert len(SOURCE.read(Delivery(body), KEYS, NOW).unreadable) == 1
