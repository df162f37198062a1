from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from features.errors import TooLarge
from features.event import EventType
from features.sources.segment import METHODS
from features.stores.codec import decode_event
from serving.web.body import MAX_BODY
from serving.web.unzip import unzipped
from tests.integration.web import CUSTOMERS, Web, problem
from tests.unit.serving.kit import NOW, metric, refuse

SEARCH = {
    "event": "Products Searched",
    "userId": "anna",
    "messageId": "m-1",
    "timestamp": NOW.isoformat(),
}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    yield made
    made.kit.service.stop()


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def call(
    web: Web, payload: object, headers: Mapping[str, str] | None = None, name: str = "track"
) -> httpx.Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    given = basic(web.token) if headers is None else headers
    return web.ask("POST", f"/v1/{name}", given, content=body)


def token_of(web: Web, scope: str) -> str:
    return web.key(scope)["authorization"].removeprefix("Bearer ")


def kept(web: Web) -> list[EventType]:
    return [decode_event(entry.body).type for entry in web.kit.log.take("profiles", 100)]


def test_a_call_is_durable_when_it_is_acknowledged(web: Web) -> None:
    answer = call(web, SEARCH)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    (entry,) = web.kit.log.take("profiles", 10)
    event = decode_event(entry.body)
    assert (event.id, event.customer) == ("segment:m-1", CUSTOMERS.resolve("anna"))
    assert metric(web.kit, "homing_webhooks_accepted_total", source="segment") == 1


def test_a_visitor_is_joined_to_who_it_turns_out_to_be(web: Web) -> None:
    call(web, {"userId": "anna", "anonymousId": "visitor"}, name="identify")
    (entry,) = web.kit.log.take("profiles", 10)
    assert decode_event(entry.body).alias == CUSTOMERS.resolve("anonymous:visitor")


@pytest.mark.parametrize("name", METHODS)
def test_every_call_of_segment_has_its_address(web: Web, name: str) -> None:
    many = METHODS[name] == "batch"
    payload = {"batch": [{**SEARCH, "type": "track"}]} if many else SEARCH
    assert call(web, payload, name=name).json() == {"success": True}
    problem(web.ask("GET", f"/v1/{name}", {}), 405)


def test_the_write_key_is_shown_in_several_ways(web: Web) -> None:
    for headers in (
        basic(web.token),
        basic("", web.token),
        {"authorization": f"Bearer {web.token}"},
    ):
        assert call(web, SEARCH, headers).status_code == 200
    assert call(web, {**SEARCH, "writeKey": web.token}, {}).status_code == 200


def test_who_has_no_write_key_leaves_nothing(web: Web) -> None:
    for headers in ({}, basic("hk_no_key"), basic(""), {"authorization": "Basic %"}):
        problem(call(web, SEARCH, headers), 401)
    problem(call(web, {**SEARCH, "writeKey": "\ud800"}, {}), 401)
    for key in (b'{"writeKey": 1}', b"{", b""):
        problem(call(web, key, {}), 401)
    for scope in ("catalogue", "recommend"):
        problem(call(web, SEARCH, basic(token_of(web, scope))), 403)
    assert kept(web) == []


def test_a_write_key_needs_the_scope_events_and_no_other(web: Web) -> None:
    assert call(web, SEARCH, basic(token_of(web, "events"))).status_code == 200


def test_bodies_are_unzipped(web: Web) -> None:
    for encoding in ("gzip", "GZIP ", "x-gzip"):
        headers = basic(web.token) | {"content-encoding": encoding}
        assert call(web, gzip.compress(json.dumps(SEARCH).encode()), headers).status_code == 200
    assert call(web, SEARCH, basic(web.token) | {"content-encoding": "identity"}).status_code == 200
    assert len(kept(web)) == 4


def test_a_small_body_that_unzips_to_a_large_one_is_too_large(web: Web) -> None:
    bomb = gzip.compress(b"0" * 100 * MAX_BODY)
    assert len(bomb) < MAX_BODY
    problem(call(web, bomb, basic(web.token) | {"content-encoding": "gzip"}), 413)
    exact = b'"' + b"0" * (MAX_BODY - 2) + b'"'
    headers = basic(web.token) | {"content-encoding": "gzip"}
    assert call(web, gzip.compress(exact), headers).status_code == 200


def test_no_more_is_unzipped_than_is_taken() -> None:
    bomb = gzip.compress(b"0" * 100 * MAX_BODY)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            unzipped(bomb, "gzip")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5 * MAX_BODY


def test_a_body_that_is_not_what_its_header_says_is_refused(web: Web) -> None:
    whole = gzip.compress(json.dumps(SEARCH).encode())
    for encoding, body in (
        ("gzip", b"plain"),
        ("gzip", whole[:-9]),
        ("gzip", whole + whole),
        ("gzip", b""),
        ("deflate", zlib.compress(b"{}")),
        ("gzip, gzip", gzip.compress(whole)),
    ):
        headers = basic(web.token) | {"content-encoding": encoding}
        document = problem(call(web, body, headers), 422)
        assert "content-encoding" in document["detail"]


def test_what_cannot_be_read_is_kept_apart_and_not_wanted_again(web: Web) -> None:
    batch = {"batch": [{**SEARCH, "type": "track"}, {"type": "track", "event": "Order Completed"}]}
    assert call(web, batch, name="batch").json() == {"success": True}
    (letter,) = web.kit.log.dead_letters()
    assert (letter.source, json.loads(letter.body)) == ("segment?method=batch", batch["batch"][1])
    assert kept(web) == [EventType.SEARCH]


def test_pages_of_any_site_may_call_and_see_what_became_of_it(web: Web) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "anonymousid,authorization,content-type",
    }
    allowed = web.ask("OPTIONS", "/v1/track", asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (204, "POST")
    assert allowed.headers["access-control-allow-headers"] == "*, Authorization"
    body = {**SEARCH, "writeKey": web.token}
    for answer in (call(web, body, {"content-type": "text/plain"}), call(web, SEARCH, {}), allowed):
        assert answer.headers["access-control-allow-origin"] == "*"
    # Everything else is for servers and mails.
    assert "access-control-allow-origin" not in web.fetch(customer="anna", block="hero").headers


def test_a_log_that_is_full_tells_the_sender_to_come_back(web: Web) -> None:
    web.kit.log.fault = refuse
    answer = call(web, SEARCH)
    problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
