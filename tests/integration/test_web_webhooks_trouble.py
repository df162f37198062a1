from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.errors import StoreUnavailable
from serving.web.body import MAX_BODY
from tests.integration.pushing import BASIC, ENVIRON, burst, from_shop, order, push
from tests.integration.web import Web, problem
from tests.unit.serving.kit import metric, refuse


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, ENVIRON, public_url="https://homing.example.com/")
    yield made
    made.kit.service.stop()


def test_an_item_that_cannot_be_kept_comes_again_and_does_not_hold_up_others(web: Web) -> None:
    web.kit.catalogue.fault = refuse
    product = {"id": 9, "title": "Lamp", "status": "active", "variants": [{"id": 1, "price": "3"}]}
    problem(from_shop(web, "products/create", product), 503)
    assert from_shop(web, "orders/create", order("lamp")).status_code == 200


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


def test_what_was_kept_waits_no_more(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.intake.MOST_BYTES", 10_000)
    for number in range(5):
        assert from_shop(web, "orders/create", order(f"lamp-{number}")).status_code == 200


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


def test_one_that_was_given_up_does_not_hold_up_the_next(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.intake.KEEP_SECONDS", 0.05)
    web.kit.log.fault = lambda: time.sleep(0.3)

    async def two(client: httpx.AsyncClient) -> httpx.Response:
        problem(await client.post("/v1/webhooks/postmark", content=b"{}", headers=BASIC), 503)
        monkeypatch.setattr("serving.intake.KEEP_SECONDS", 2.0)
        return await client.post("/v1/webhooks/postmark", content=b"{}", headers=BASIC)

    assert web.talk(two).status_code == 202
