from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.mmap_dict import MmapedDict
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from features.sources.segment import METHODS
from serving.workers import MULTIPROCESS
from tests.integration.web import FETCH, Web, problem

FUZZED = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("id", "type", "customer", "occurred_at", "item", "quantity", "value", "title")
EVENTISH = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON | TEXT))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    made.kit.stock()
    made.kit.promote("3")
    yield made
    made.kit.service.stop()


def test_it_lives_and_says_what_it_answers_from(web: Web) -> None:
    assert web.ask("GET", "/healthz", {}).json() == {"status": "alive"}
    starting = web.ask("GET", "/readyz", {})
    assert (starting.status_code, starting.json()["ready"]) == (503, False)
    web.kit.service.start()
    ready = web.ask("GET", "/readyz", {})
    assert ready.status_code == 200
    assert ready.json()["model"] == "recommender/3"
    assert ready.json()["blocks"] == ["hero", "second", "again"]


def test_metrics_count_rungs_and_name_no_customer(web: Web) -> None:
    web.fetch(customer="anna@example.org", block="hero")
    text = web.ask("GET", "/metrics", {}).text
    assert 'homing_answers_total{reason="unknown customer",rung="popular"} 1.0' in text
    assert f'homing_requests_total{{method="GET",route="{FETCH}",status="200"}} 1.0' in text
    assert "homing_model_version 3.0" in text
    assert "ck_" not in text
    assert "anna" not in text


def test_a_process_that_ended_counts_no_more_as_living(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROCESS, str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = tmp_path / f"gauge_livemin_{ended.pid}.db"
    here = tmp_path / f"gauge_livemin_{os.getpid()}.db"
    for file in (gone, here):
        MmapedDict(str(file)).close()  # type: ignore[no-untyped-call]  # has no types
    assert web.ask("GET", "/metrics", {}).status_code == 200
    assert (gone.exists(), here.exists()) == (False, True)


def test_a_path_with_a_slash_too_many_is_not_found(web: Web) -> None:
    query = {"customer": "anna", "block": "hero"}
    problem(web.ask("GET", f"{FETCH}/", params=query), 404)


def test_who_hangs_up_in_the_middle_of_a_body_is_no_error_of_ours(web: Web) -> None:
    async def hang_up() -> AsyncIterator[bytes]:
        yield b'{"id": '
        raise ClientDisconnect

    document = problem(web.ask("POST", "/v1/events", content=hang_up()), 422)
    assert "cut off" in document["detail"]
    value = web.kit.parts.metrics.registry.get_sample_value("homing_internal_errors_total")
    assert value == 0


def test_metrics_may_be_closed(tmp_path: Path) -> None:
    closed = Web(tmp_path, open_metrics=False)
    problem(closed.ask("GET", "/metrics", {}), 401)
    problem(closed.ask("GET", "/metrics", closed.key("recommend")), 403)
    assert closed.ask("GET", "/metrics").status_code == 200
    closed.kit.service.stop()


def test_no_such_path_and_no_such_method_are_problems(web: Web) -> None:
    problem(web.ask("GET", "/v2/anything"), 404)
    answer = web.ask("DELETE", "/v1/events")
    problem(answer, 405)
    assert "POST" in answer.headers["allow"]
    document = problem(web.ask("POST", "/v1/customers/anna@example.org/scores"), 405)
    assert "anna" not in str(document)


def test_an_error_nobody_foresaw_tells_nothing_of_the_inside(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def burst(*_: object) -> None:
        message = "the inside"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(web.kit.service, "similar", burst)
    with capture_logs() as lines:
        answer = web.ask("GET", "/v1/items/bread/similar")
    assert "inside" not in str(problem(answer, 500))
    (failed,) = [line for line in lines if line["event"] == "request failed"]
    assert failed["route"] == "/v1/items/{item}/similar"
    value = web.kit.parts.metrics.registry.get_sample_value("homing_internal_errors_total")
    assert value == 1


def test_the_schema_describes_every_route(web: Web) -> None:
    document = web.ask("GET", "/openapi.json", {}).json()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {
        ("GET", FETCH),
        ("POST", FETCH),
        ("GET", "/v1/items/{item}/similar"),
        ("GET", "/v1/customers/{customer}/scores"),
        ("POST", "/v1/events"),
        ("POST", "/v1/webhooks/{source}"),
        *(("POST", f"/v1/{method}") for method in METHODS if len(method) > 1),
        ("PUT", "/v1/items"),
        ("GET", "/v1/overrides"),
        ("PUT", "/v1/overrides"),
        ("DELETE", "/v1/overrides/{id}"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    }


def test_every_reference_of_the_schema_leads_somewhere(web: Web) -> None:
    text = web.ask("GET", "/openapi.json", {}).text
    components = json.loads(text)["components"]["schemas"]
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(components)
    assert {"Slate", "SlateItem", "WireEvent", "WireItem", "ProblemDocument"} <= named


def test_a_request_with_an_absurd_length_is_too_large(web: Web) -> None:
    key = {"authorization": f"Bearer {web.token}", "content-length": "9" * 5_000}
    problem(web.ask("POST", "/v1/events", key, content=nothing()), 413)


async def nothing() -> AsyncIterator[bytes]:
    yield b""


@FUZZED
@given(body=st.binary(max_size=300) | st.builds(lambda value: json.dumps(value).encode(), JSON))
@pytest.mark.parametrize(
    ("method", "url"), [("POST", "/v1/events"), ("PUT", "/v1/items"), ("POST", FETCH)]
)
def test_no_body_makes_a_500(web: Web, method: str, url: str, body: bytes) -> None:
    assert web.ask(method, url, content=body).status_code in {200, 202, 413, 422}


@FUZZED
@given(event=EVENTISH)
@pytest.mark.parametrize(("method", "url"), [("POST", "/v1/events"), ("PUT", "/v1/items")])
def test_nothing_like_an_event_makes_a_500(
    web: Web, method: str, url: str, event: dict[str, object]
) -> None:
    body = json.dumps([event]).encode()
    assert web.ask(method, url, content=body).status_code in {200, 202, 422}


@FUZZED
@given(customer=TEXT, block=TEXT | st.just("hero"), send=TEXT, n=TEXT | st.just("2"))
def test_no_argument_makes_a_500(web: Web, customer: str, block: str, send: str, n: str) -> None:
    answer = web.fetch(customer=customer, block=block, send=send, n=n)
    assert answer.status_code in {200, 422}


@FUZZED
@given(path=st.binary(max_size=60), value=st.binary(max_size=60))
def test_no_path_and_no_header_makes_a_500(web: Web, path: bytes, value: bytes) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in path)
    for header in ("authorization", "x-request-id", "content-type", "content-length"):
        for prefix in ("/", "/v1/items/", "/v1/customers/"):
            suffix = {"/v1/items/": "/similar", "/v1/customers/": "/scores"}.get(prefix, "")
            answer = web.ask("GET", f"{prefix}{quoted}{suffix}", {header: value})
            assert answer.status_code in {200, 401, 404, 405, 413, 422}
