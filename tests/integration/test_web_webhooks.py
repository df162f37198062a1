from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.errors import StoreUnavailable
from features.event import EventType
from features.stores.codec import decode_event
from serving.web.app import create_app
from serving.web.body import MAX_BODY
from tests.integration.web import CUSTOMERS, Web, problem
from tests.unit.serving.kit import ITEMS, NOW, metric, refuse

SHOP = "shop secret"
GUN = "mailgun key"
WAY = "whsec_" + base64.b64encode(b"another secret").decode()
ENVIRON = {
    "HOMING_WEBHOOK_SHOPIFY_SECRET": f"old secret,{SHOP}",
    "HOMING_WEBHOOK_SHOPIFY_CURRENCY": "GBP",
    "HOMING_WEBHOOK_MAILGUN_SECRET": GUN,
    "HOMING_WEBHOOK_MANDRILL_SECRET": "mandrill key",
    "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": WAY,
    "HOMING_WEBHOOK_POSTMARK_SECRET": "user:pass",
}
BASIC = {"authorization": "Basic " + base64.b64encode(b"user:pass").decode()}
AT = int(NOW.timestamp())


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, ENVIRON, public_url="https://homing.example.com/")
    yield made
    made.kit.service.stop()


def push(
    web: Web, source: str, body: bytes, headers: Mapping[str, str | bytes], query: str = ""
) -> httpx.Response:
    return web.ask("POST", f"/v1/webhooks/{source}{query}", headers, content=body)


def from_shop(web: Web, topic: str, payload: object, secret: str = SHOP) -> httpx.Response:
    body = json.dumps(payload).encode()
    mac = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"X-Shopify-Hmac-Sha256": mac, "X-Shopify-Topic": topic}
    return push(web, "shopify", body, headers)


def gun(name: str, once: str = "t1", key: str = GUN) -> bytes:
    mac = hmac.new(key.encode(), f"{AT}{once}".encode(), hashlib.sha256).hexdigest()
    told = {"event": "opened", "id": name, "timestamp": AT, "recipient": "ann@example.com"}
    signature = {"timestamp": str(AT), "token": once, "signature": mac}
    return json.dumps({"signature": signature, "event-data": told}).encode()


def order(sku: str) -> dict[str, Any]:
    line = {"id": 7, "product_id": sku, "quantity": 1, "price": "3.00"}
    paid = {"financial_status": "paid", "currency": "GBP", "created_at": NOW.isoformat()}
    return {"id": 12, **paid, "customer": {"id": 5}, "line_items": [line]}


def kept(web: Web) -> list[bytes]:
    return [entry.body for entry in web.kit.log.inner.take("profiles", 100)]  # type: ignore[attr-defined]


def test_what_a_shop_pushes_is_durable_when_it_is_acknowledged(web: Web) -> None:
    answer = from_shop(web, "orders/create", order("lamp"))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "unreadable": 0})
    (event,) = map(decode_event, kept(web))
    assert (event.type, event.item, event.customer) == (
        EventType.PURCHASE,
        "lamp",
        CUSTOMERS.resolve("5"),
    )
    assert metric(web.kit, "homing_webhooks_accepted_total", source="shopify") == 1
    assert metric(web.kit, "homing_events_accepted_total") == 1


def test_a_robot_stays_marked(web: Web) -> None:
    told = json.loads(gun("a"))
    told["event-data"]["client-info"] = {"bot": "apple"}
    push(web, "mailgun", json.dumps(told).encode(), {})
    push(web, "mailgun", gun("b", "t2"), {})
    assert [decode_event(body).machine for body in kept(web)] == [True, False]


def test_while_a_secret_is_changed_both_are_good_and_no_other(web: Web) -> None:
    assert from_shop(web, "orders/create", order("lamp"), "old secret").status_code == 200
    problem(from_shop(web, "orders/create", order("lamp"), "older secret"), 401)


def test_a_forged_delivery_is_counted_and_leaves_nothing(web: Web) -> None:
    before = list(web.kit.log.calls), list(web.kit.pins.calls)
    document = problem(from_shop(web, "orders/create", order("lamp"), "guessed"), 401)
    assert "guessed" not in document["detail"]
    assert (web.kit.log.calls, web.kit.pins.calls) == before
    assert metric(web.kit, "homing_webhooks_refused_total", source="shopify", reason="signature")


def test_a_source_that_is_not_set_up_is_not_found_and_the_cure_is_named(web: Web) -> None:
    document = problem(push(web, "stripe", b"{}", {}), 404)
    assert "HOMING_WEBHOOK_STRIPE_SECRET" in document["detail"]
    assert "HOMING_WEBHOOKS_FOLDER" in problem(push(web, "who", b"{}", {}), 404)["detail"]
    assert metric(web.kit, "homing_webhooks_refused_total", source="unknown", reason="unknown") == 2


def test_what_cannot_be_read_is_a_dead_letter_and_is_not_wanted_again(web: Web) -> None:
    answer = from_shop(web, "orders/create", {"id": []})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "unreadable": 1})
    from_shop(web, "orders/create", {"id": []})
    (letter,) = web.kit.log.dead_letters()
    assert (letter.body, letter.source) == (
        b'{"id": []}',
        "shopify?x-shopify-topic=orders%2Fcreate",
    )
    assert metric(web.kit, "homing_webhooks_buried_total", source="shopify") == 2


def test_mailgun_is_always_told_200_for_it_repeats_anything_else(web: Web) -> None:
    broken = json.loads(gun("a"))
    broken["event-data"] = {"event": "opened"}
    answer = push(web, "mailgun", json.dumps(broken).encode(), {})
    assert (answer.status_code, answer.json()["unreadable"]) == (200, 1)


def test_what_must_not_come_twice_changes_nothing_the_second_time(web: Web) -> None:
    assert push(web, "mailgun", gun("a"), {}).json() == {"accepted": 1, "unreadable": 0}
    # The signature covers no event: who saw one delivery could send any other with it.
    again = push(web, "mailgun", gun("b"), {})
    assert (again.status_code, again.json()) == (200, {"accepted": 0, "unreadable": 0})
    assert push(web, "mailgun", gun("b", "t2"), {}).json()["accepted"] == 1
    assert len(kept(web)) == 2
    assert metric(web.kit, "homing_webhooks_repeated_total", source="mailgun") == 1


def test_what_is_remembered_is_shared_with_other_processes(web: Web) -> None:
    push(web, "mailgun", gun("a"), {})
    web.app = create_app(web.kit.parts, web.kit.service, CUSTOMERS)
    assert push(web, "mailgun", gun("b"), {}).json()["accepted"] == 0


def test_a_token_is_not_remembered_before_its_events_are_durable(web: Web) -> None:
    web.kit.log.fault = refuse
    answer = push(web, "mailgun", gun("a"), {})
    problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    web.kit.log.fault = None
    assert push(web, "mailgun", gun("a"), {}).json()["accepted"] == 1


def test_of_two_that_come_at_once_one_is_taken(web: Web) -> None:
    answers: list[httpx.Response] = []

    async def both(client: httpx.AsyncClient) -> httpx.Response:
        sent = [client.post("/v1/webhooks/mailgun", content=gun(name)) for name in "ab"]
        answers.extend(await asyncio.gather(*sent))
        return answers[0]

    web.talk(both)
    assert [answer.json()["accepted"] for answer in answers] == [1, 0]


def test_what_could_not_be_remembered_comes_again(web: Web) -> None:
    def refuse_to_pin() -> None:
        if web.kit.pins.calls[-1] == "pin_many":
            refuse()

    web.kit.pins.fault = refuse_to_pin
    problem(push(web, "mailgun", gun("a"), {}), 503)
    web.kit.pins.fault = None
    assert push(web, "mailgun", gun("a"), {}).json()["accepted"] == 1


def test_an_item_that_cannot_be_kept_comes_again_and_does_not_hold_up_others(web: Web) -> None:
    web.kit.catalogue.fault = refuse
    product = {"id": 9, "title": "Lamp", "status": "active", "variants": [{"id": 1, "price": "3"}]}
    problem(from_shop(web, "products/create", product), 503)
    assert from_shop(web, "orders/create", order("lamp")).status_code == 200


def test_while_tokens_cannot_be_looked_up_their_deliveries_wait_and_others_do_not(web: Web) -> None:
    web.kit.pins.fault = refuse
    problem(push(web, "mailgun", gun("a"), {}), 503)
    assert from_shop(web, "orders/create", order("lamp")).status_code == 200


def test_products_go_into_the_catalogue_and_those_that_are_gone_out_of_stock(web: Web) -> None:
    web.kit.stock(*ITEMS)
    product = {"id": 9, "title": "Lamp", "status": "active", "variants": [{"id": 1, "price": "3"}]}
    assert from_shop(web, "products/create", product).status_code == 200
    assert web.kit.catalogue.get_many(["9"])["9"].title == "Lamp"
    assert from_shop(web, "products/delete", {"id": 9}).status_code == 200
    assert not web.kit.catalogue.get_many(["9"])["9"].in_stock


def burst(*_: object) -> None:
    raise ZeroDivisionError


def test_who_cannot_be_checked_is_not_let_in(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.sources.postmark.Postmark.verify", burst)
    problem(push(web, "postmark", b"{}", BASIC), 401)
    assert metric(web.kit, "homing_webhooks_refused_total", source="postmark", reason="fault") == 1
    assert metric(web.kit, "homing_internal_errors_total") == 1


def test_what_its_source_fails_to_read_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.sources.postmark.Postmark.read", burst)
    web = Web(tmp_path, {"HOMING_WEBHOOK_POSTMARK_SECRET": "user:pass"})
    assert push(web, "postmark", b"{}", BASIC).status_code == 202
    assert [letter.body for letter in web.kit.log.dead_letters()] == [b"{}"]
    web.kit.service.stop()


def test_whatever_the_log_does_the_sender_is_told_to_come_back(web: Web) -> None:
    web.kit.log.fault = burst
    problem(from_shop(web, "orders/create", order("lamp")), 503)
    assert metric(web.kit, "homing_internal_errors_total") == 1


def test_a_body_beyond_the_limit_is_refused_whether_its_length_is_told_or_not(web: Web) -> None:
    body = b"x" * (MAX_BODY + 1)
    problem(push(web, "shopify", body, {}), 413)

    async def unannounced(client: httpx.AsyncClient) -> httpx.Response:
        async def parts() -> Any:  # noqa: ANN401 - as httpx has it
            yield body[:1000]
            yield body

        return await client.post("/v1/webhooks/shopify", content=parts())

    problem(web.talk(unannounced), 413)
    assert metric(web.kit, "homing_webhooks_refused_total", source="shopify", reason="too large")


def test_mandrill_signs_the_public_address_and_looks_at_it_before(web: Web) -> None:
    for method in ("GET", "HEAD"):
        assert web.ask(method, "/v1/webhooks/mandrill", {}).status_code == 200
    problem(web.ask("GET", "/v1/webhooks/stripe", {}), 404)
    body = b"mandrill_events=%5B%5D"
    signed = b"https://homing.example.com/v1/webhooks/mandrill?x=1" + b"mandrill_events[]"
    mac = base64.b64encode(hmac.new(b"mandrill key", signed, hashlib.sha1).digest()).decode()
    answer = push(web, "mandrill", body, {"x-mandrill-signature": mac}, "?x=1")
    assert answer.json() == {"accepted": 0, "unreadable": 0}


def test_a_sender_of_cloudevents_may_ask_whether_it_may_push(web: Web) -> None:
    asked = {"webhook-request-origin": "events.example"}
    answer = web.ask("OPTIONS", "/v1/webhooks/mailgun", asked)
    assert (answer.status_code, answer.headers["webhook-allowed-origin"]) == (200, "*")
    problem(web.ask("OPTIONS", "/v1/webhooks/stripe", asked), 404)


def test_other_methods_are_not_allowed(web: Web) -> None:
    assert web.ask("PUT", "/v1/webhooks/mandrill", {}).status_code == 405
    problem(web.ask("POST", "/v1/webhooks/", {}), 404)
    problem(web.ask("POST", "/v1/webhooks/mailgun/more", {}), 404)


def test_too_much_that_waits_is_told_to_come_back(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.intake.MOST_BYTES", 0)
    problem(from_shop(web, "orders/create", order("lamp")), 503)


def test_what_is_not_kept_in_time_is_told_to_come_back(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.intake.KEEP_SECONDS", 0.05)

    def slow() -> None:
        time.sleep(0.3)
        message = "slow"
        raise StoreUnavailable(message)

    web.kit.log.fault = slow
    assert "again later" in problem(from_shop(web, "orders/create", order("lamp")), 503)["detail"]


def test_the_document_tells_of_webhooks_and_tracking(web: Web) -> None:
    paths = web.ask("GET", "/openapi.json", {}).json()["paths"]
    assert {"/v1/webhooks/{source}", "/v1/track", "/v1/batch"} <= paths.keys()
