from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from features.errors import StoreUnavailable
from features.event import EventType
from features.profile import Published
from features.stores.codec import decode_event
from tests.integration.web import CUSTOMERS, FETCH, Web, problem
from tests.unit.serving.kit import ITEMS

ANNA = CUSTOMERS.resolve("anna")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    made.kit.stock()
    made.kit.promote("3")
    made.kit.know(ANNA, "bread", published=Published(at=5, scores={"churn": 0.5}))
    yield made
    made.kit.service.stop()


def purchase(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    made = {
        "id": "order-1",
        "type": "purchase",
        "customer": "anna",
        "item": "cream",
        "occurred_at": "2026-02-28T12:00:00Z",
    }
    return {**made, **changed}


def logged(web: Web) -> list[Any]:
    return [decode_event(entry.body) for entry in web.kit.log.take("test", 10_000)]


def test_an_event_is_accepted_once_it_is_in_the_log(web: Web) -> None:
    answer = web.ask("POST", "/v1/events", json=purchase())
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (event,) = logged(web)
    assert (event.id, event.type, event.customer) == ("order-1", EventType.PURCHASE, ANNA)


def test_a_list_is_accepted_whole_or_not_at_all(web: Web) -> None:
    bad = [purchase(id="a"), purchase(id="b", type="bought"), purchase(id="c", item=None)]
    document = problem(web.ask("POST", "/v1/events", json=bad), 422)
    assert [(one["index"], one["field"]) for one in document["problems"]] == [
        (1, "type"),
        (2, "item"),
    ]
    assert logged(web) == []
    good = [purchase(id=str(number)) for number in range(3)]
    assert web.ask("POST", "/v1/events", json=good).json() == {"accepted": 3}


def test_cloudevents_come_one_by_one_and_in_batches(web: Web) -> None:
    envelope = {
        "specversion": "1.0",
        "id": "7",
        "source": "shop",
        "type": "homing.purchase",
        "time": "2026-02-28T12:00:00Z",
        "data": {"customer": "anna", "item": "cream"},
    }
    key = {"authorization": f"Bearer {web.token}"}
    one = {**key, "content-type": "application/cloudevents+json; charset=utf-8"}
    many = {**key, "content-type": "application/cloudevents-batch+json"}
    assert web.ask("POST", "/v1/events", one, json=envelope).status_code == 202
    assert web.ask("POST", "/v1/events", many, json=[envelope, envelope]).json()["accepted"] == 2
    problem(web.ask("POST", "/v1/events", one, json=purchase()), 422)
    assert {event.customer for event in logged(web)} == {ANNA}


def test_more_events_than_allowed_are_too_large(web: Web) -> None:
    events = [purchase(id=str(number)) for number in range(1_001)]
    problem(web.ask("POST", "/v1/events", json=events), 413)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"NaN", b'{"value": NaN}', b"[" * 100_000, b"null", b"[[]]", b'"x"'],
)
def test_what_is_not_an_event_is_refused(web: Web, body: bytes) -> None:
    assert problem(web.ask("POST", "/v1/events", content=body), 422)["problems"]
    assert logged(web) == []


def test_a_body_that_says_it_is_too_large_is_not_read(web: Web) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            read.append(1)
            yield b" " * 1024 * 1024

    key = {"authorization": f"Bearer {web.token}", "content-length": str(50 * 1024 * 1024)}
    answer = web.ask("POST", "/v1/events", key, content=body())
    problem(answer, 413)
    assert answer.headers["connection"] == "close"
    assert read == []


def test_a_body_that_does_not_say_is_read_no_further_than_the_limit(web: Web) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            read.append(1)
            yield b" " * 300_000

    problem(web.ask("POST", "/v1/events", content=body()), 413)
    assert len(read) <= 5


def test_a_log_that_is_down_says_when_to_come_back(web: Web) -> None:
    def refuse() -> None:
        message = "the log is down"
        raise StoreUnavailable(message)

    web.kit.log.fault = refuse
    answer = web.ask("POST", "/v1/events", json=purchase())
    assert problem(answer, 503)["detail"] == "the log is down"
    assert answer.headers["retry-after"] == "1"


def test_items_are_in_the_next_answer(web: Web) -> None:
    item = {"id": "cream", "title": "Clotted cream", "price": 4.5}
    assert web.ask("PUT", "/v1/items", json=[item]).json() == {"accepted": 1}
    shown = web.fetch(customer="anna", block="hero").json()["items"][0]
    assert (shown["title"], shown["price"]) == ("Clotted cream", 4.5)
    web.ask("PUT", "/v1/items", json={**item, "in_stock": False})
    assert web.fetch(customer="anna", block="hero").json()["items"][0]["id"] == "dates"


def test_an_item_without_title_is_refused(web: Web) -> None:
    document = problem(web.ask("PUT", "/v1/items", json={"id": "x"}), 422)
    assert "title" in document["detail"]


def test_many_customers_are_answered_at_once(web: Web) -> None:
    asked = {"customers": ["anna", "nobody", ANNA], "block": "hero", "n": 1}
    body = web.ask("POST", FETCH, json=asked).json()
    explained = web.ask("POST", FETCH, json={**asked, "explain": True}).json()
    assert {item["moved"] for slate in explained["slates"] for item in slate["items"]} == {None}
    assert not any("moved" in item for slate in body["slates"] for item in slate["items"])
    assert body["count"] == 3
    assert [slate["served_by"] for slate in body["slates"]] == ["model", "popular", "model"]
    assert body["slates"][0]["customer"] == ANNA


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"customers": [], "block": "hero"}, 422, "customers"),
        ({"customers": ["a"] * 1_001, "block": "hero"}, 413, "customers"),
        ({"customers": ["a", "", "b\n"], "block": "hero"}, 422, "customer"),
        ({"customers": ["a"], "block": "nope"}, 422, "block"),
        ({"customers": ["a"], "block": "hero", "n": 0}, 422, "n"),
        ({"customers": ["a"]}, 422, "block"),
        ({"customers": ["a"], "block": "hero", "colour": 1}, 422, "colour"),
        ({"customers": "a", "block": "hero"}, 422, "customers"),
        ([], 422, ""),
    ],
)
def test_a_batch_that_cannot_be_used_is_refused(
    web: Web, body: object, status: int, field: str
) -> None:
    assert problem(web.ask("POST", FETCH, json=body), status)["problems"][0]["field"] == field


def test_items_like_an_item(web: Web) -> None:
    body = web.ask("GET", "/v1/items/bread/similar?n=1").json()
    assert (body["item"], body["served_by"], body["count"]) == ("bread", "model", 1)
    assert web.ask("GET", "/v1/items/bread/similar").json()["count"] == 2
    problem(web.ask("GET", "/v1/items/no%2Fsuch/similar"), 404)
    problem(web.ask("GET", "/v1/items/bread/similar?n=x"), 422)


@pytest.mark.parametrize(
    "url",
    [
        f"{FETCH}?customer=anna&block=hero&send=monday",
        "/v1/items/bread/similar",
        "/v1/customers/anna/scores",
    ],
)
def test_asking_for_the_headers_alone_is_answered_as_asking_for_all(web: Web, url: str) -> None:
    whole, headers = web.ask("GET", url), web.ask("HEAD", url)
    assert (headers.status_code, headers.content) == (200, b"")
    for name in ("content-length", "content-type", "cache-control"):
        assert headers.headers[name] == whole.headers[name]


def test_scores_of_a_customer(web: Web) -> None:
    body = web.ask("GET", "/v1/customers/anna/scores").json()
    assert (body["customer"], body["scores"]) == (ANNA, {"churn": 0.5})
    document = problem(web.ask("GET", "/v1/customers/somebody-else/scores"), 404)
    assert "somebody-else" not in str(document)


@pytest.mark.parametrize(
    ("method", "url", "scope"),
    [
        ("POST", "/v1/events", "events"),
        ("PUT", "/v1/items", "catalogue"),
        ("POST", FETCH, "recommend"),
        ("GET", "/v1/items/bread/similar", "recommend"),
        ("GET", "/v1/customers/anna/scores", "recommend"),
    ],
)
def test_each_route_asks_for_its_own_scope(web: Web, method: str, url: str, scope: str) -> None:
    problem(web.ask(method, url, {}), 401)
    others = [one for one in ("recommend", "events", "catalogue") if one != scope]
    problem(web.ask(method, url, web.key(*others)), 403)
    body = {"customers": ["a"], "block": "hero"} if url == FETCH else []
    allowed = web.ask(method, url, web.key(scope), json=None if method == "GET" else body)
    assert allowed.status_code in {200, 202, 422}


def test_the_catalogue_of_the_kit_is_what_these_tests_think(web: Web) -> None:
    assert web.kit.service.status().items == len(ITEMS)
