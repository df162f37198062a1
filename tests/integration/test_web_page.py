"""The page as it is asked for, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from features.event import EventType
from features.profile import Profile, history_of
from features.stores.codec import decode_event
from tests.integration.web import CUSTOMERS, Web
from tests.unit.serving.kit import NOW, purchase, refuse

ANNA = CUSTOMERS.resolve("anna")
BERT = CUSTOMERS.resolve("bert")


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr("serving.web.page.SETTLES", 0.0)
    made = Web(tmp_path, page=True)
    made.kit.stock()
    made.kit.promote("1")
    yield made
    made.kit.service.stop()


def page(web: Web, status: int = 200, **query: str) -> str:
    shown = web.ask("GET", "/", {}, params=query)
    assert shown.status_code == status, shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    return shown.text


def test_a_shop_without_customers_is_told_what_to_do(web: Web) -> None:
    assert "No customer is known yet: homing import" in page(web)


def test_the_history_and_the_reasons_bear_titles(web: Web) -> None:
    bought = purchase(ANNA, "apple", 200)
    returned = purchase(ANNA, "a lost item", 100)
    back = type(returned)(
        id="back", type=EventType.RETURN, customer=ANNA, occurred_at=NOW, item="a lost item"
    )
    web.kit.profiles.put_many([Profile(ANNA, history_of([bought, returned, back]))])
    text = page(web)
    assert "because you bought Apple" in text
    assert "<span>bought Apple</span>" in text
    assert "<span>returned a lost item</span>" in text


def test_it_says_who_must_not_get_mail(web: Web) -> None:
    left = msgspec.structs.replace(purchase(ANNA, "apple"), type=EventType.UNSUBSCRIBE, item=None)
    web.kit.profiles.put_many([Profile(ANNA, history_of([left])), Profile(BERT)])
    assert "unsubscribed: none may be sent" in page(web, customer=ANNA)
    assert "may be sent</span>" in page(web, customer=BERT)


def test_while_the_store_is_down_the_page_still_shows_an_answer(web: Web) -> None:
    web.kit.fail(refuse)
    text = page(web, customer=ANNA)
    assert "profile store unavailable" in text
    assert "Much loved now" in text


def test_what_cannot_be_asked_is_said_on_the_page(web: Web) -> None:
    assert "no such block" in page(web, 422, customer="anna", block="nowhere")
    assert "customer = " in page(web, 422, customer="\n")


def test_a_purchase_becomes_an_event_and_leads_back_to_the_page(web: Web) -> None:
    form = {"customer": ANNA, "item": "apple", "block": "hero"}
    done = web.ask("POST", "/purchase", {}, data=form)
    assert (done.status_code, done.headers["location"]) == (303, f"/?customer={ANNA}&block=hero")
    (entry,) = web.kit.log.take("tests", 10)
    event = decode_event(entry.body)
    assert (event.type, event.customer, event.item) == (EventType.PURCHASE, ANNA, "apple")


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"customer": "", "item": "apple"}, "customer"),
        ({"customer": "anna"}, "item"),
        ({"customer": "anna", "item": "\0"}, "item"),
        ({"customer": "anna", "item": "x" * 5_000}, "item"),
    ],
)
def test_a_purchase_that_cannot_be_used_is_refused(
    web: Web, form: dict[str, str], named: str
) -> None:
    refused = web.ask("POST", "/purchase", {}, data=form)
    assert (refused.status_code, named in refused.text) == (422, True)
    assert list(web.kit.log.take("tests", 10)) == []


@pytest.mark.parametrize(
    ("body", "found"), [(b"outside=anna&block=hero", ANNA), (b"outside=&block=hero", "")]
)
def test_no_url_bears_the_shops_own_customer_id(web: Web, body: bytes, found: str) -> None:
    sent = web.ask("POST", "/", {}, content=body)
    assert (sent.status_code, sent.headers["location"]) == (303, f"/?customer={found}&block=hero")


def test_a_form_that_is_not_one_is_an_empty_one(web: Web) -> None:
    for body in (b"\xff\xfe", b"a=1&" * 20):
        assert web.ask("POST", "/", {}, content=body).headers["location"] == "/?customer=&block="
