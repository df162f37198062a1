from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from serving.ranking.blocks import Block
from serving.signing import sign_url
from tests.integration.web import CUSTOMERS, FETCH, Web, problem
from tests.unit.serving.kit import ITEMS, NOW

OUTSIDE = "anna@example.org"
ANNA = CUSTOMERS.resolve(OUTSIDE)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    made.kit.stock()
    made.kit.promote("12")
    made.kit.know(ANNA, "bread")
    yield made
    made.kit.service.stop()


def test_the_answer_is_what_a_template_reads(web: Web) -> None:
    answer = web.fetch(customer=OUTSIDE, block="hero", send="monday", n="1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.pop("slate").startswith("sl_")
    assert body == {
        "customer": ANNA,
        "block": "hero",
        "send": "monday",
        "served_by": "model",
        "reason": None,
        "model": "recommender/12",
        "count": 1,
        "items": [
            {
                "position": 1,
                "id": "cream",
                "title": "Cream",
                "url": "",
                "image_url": "",
                "price": 3.0,
                "currency": "GBP",
                "because": {"kind": "bought", "item": "bread"},
                "brand": None,
                "categories": ["food"],
                "attributes": {},
            }
        ],
    }


def test_an_answer_says_how_rules_moved_its_items_when_asked(web: Web) -> None:
    block = Block(name="capped", size=2, category_cap=1)
    web.kit.configure(block)
    web.kit.stock(*ITEMS[:5], msgspec.structs.replace(ITEMS[5], categories=("baking",)))
    first, second = web.fetch(customer=OUTSIDE, block="capped", explain="1").json()["items"]
    assert (first["id"], first["moved"]) == ("cream", None)
    assert second["moved"] == {"from_position": 5, "rules": ["category_cap"]}
    silent = web.fetch(customer=OUTSIDE, block="capped", explain="0").json()["items"]
    assert [item["id"] for item in silent] == ["cream", second["id"]]
    assert not any("moved" in item for item in silent)


@pytest.mark.parametrize("explain", ["", "yes", "2"])
def test_explaining_is_on_or_off(web: Web, explain: str) -> None:
    document = problem(web.fetch(customer="a", block="hero", explain=explain), 422)
    assert document["detail"] == f"explain = {explain!r}: neither on nor off; send 1 or 0"


def test_a_customer_key_asks_the_same_as_the_shops_own_id(web: Web) -> None:
    one = web.fetch(customer=OUTSIDE, block="hero", send="monday")
    assert web.fetch(customer=ANNA, block="hero", send="monday").json() == one.json()


def test_an_unknown_customer_gets_a_lower_rung(web: Web) -> None:
    body = web.fetch(customer="nobody", block="hero").json()
    assert (body["served_by"], body["reason"]) == ("popular", "unknown customer")
    assert body["count"] == 2


def test_an_empty_send_is_none_and_strange_parameters_are_left_alone(web: Web) -> None:
    body = web.fetch(customer=OUTSIDE, block="hero", send="", utm_source="mail").json()
    assert body["send"] is None


def test_all_bad_arguments_are_named_at_once(web: Web) -> None:
    document = problem(web.fetch(n="many"), 422)
    assert [one["field"] for one in document["problems"]] == ["customer", "block", "n"]
    assert document["type"] == "urn:homing:problem:invalid-argument"


@pytest.mark.parametrize("n", ["0", "51", "-1", "1.5", "", "٣", "9" * 40, "1e1", " 1"])
def test_a_count_out_of_range_is_refused(web: Web, n: str) -> None:
    assert "send 1 to 50" in problem(web.fetch(customer="a", block="hero", n=n), 422)["detail"]


def test_an_unknown_block_is_refused_with_the_known_ones(web: Web) -> None:
    document = problem(web.fetch(customer="a", block="nope"), 422)
    assert "choose among hero, second, again" in document["detail"]


def test_without_a_key_nothing_is_told(web: Web) -> None:
    answer = web.fetch({}, customer=OUTSIDE, block="hero")
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer hk_aa_bb",
        "Bearer",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff:x").decode(),
        "Basic " + base64.b64encode(b"user-without-password").decode(),
        "Digest x",
        "",
    ],
)
def test_a_key_that_is_none_is_refused(web: Web, header: str) -> None:
    problem(web.fetch({"authorization": header}, customer="a", block="hero"), 401)


def test_a_key_needs_the_scope(web: Web) -> None:
    document = problem(web.fetch(web.key("events"), customer="a", block="hero"), 403)
    assert "lacks the scope `recommend`" in document["detail"]


def test_a_key_is_looked_at_each_time_though_it_was_the_last_one(web: Web) -> None:
    keys = web.kit.parts.keys
    some, others = keys.create("some", ["recommend"]), keys.create("others", ["events"])

    def asked(token: str) -> int:
        return web.fetch(
            {"authorization": f"Bearer {token}"}, customer="a", block="hero"
        ).status_code

    assert [asked(some.token), asked(some.token)] == [200, 200]
    assert [asked(others.token), asked(others.token), asked(some.token)] == [403, 403, 200]
    assert asked(some.token[:-1]) == 401
    assert [asked(f"{some.token} "), asked(some.token)] == [200, 200]
    assert keys.revoke(some.key.id)
    assert asked(some.token) == 401


def test_a_key_can_be_the_password(web: Web) -> None:
    token = web.key("recommend")["authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"anything:{token}".encode()).decode()
    answer = web.fetch({"authorization": f"Basic {basic}"}, customer="a", block="hero")
    assert answer.status_code == 200


def test_a_url_can_be_signed(web: Web) -> None:
    created = web.kit.parts.keys.create("template", ["recommend"])
    url = sign_url(
        FETCH,
        {"customer": OUTSIDE, "block": "hero"},
        key=created.key.id,
        key_hex=created.signing_key,
        expires=NOW + timedelta(days=1),
    )
    assert web.ask("GET", url, {}).json()["customer"] == ANNA
    problem(web.ask("GET", url.replace("hero", "second"), {}), 401)
    problem(web.ask("POST", url, {}, json={}), 401)


def test_keys_may_be_left_out_where_nobody_else_connects(tmp_path: Path) -> None:
    open_house = Web(tmp_path, require_keys=False)
    assert open_house.fetch({}, customer="a", block="hero").status_code == 200
    open_house.kit.service.stop()


def test_the_log_has_route_rung_and_key_but_nothing_of_the_query(web: Web) -> None:
    with capture_logs() as lines:
        web.fetch(customer=OUTSIDE, block="hero", send="secret-send")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert {"method", "route", "status", "ms", "rung", "customer"} <= set(line)
    assert (line["route"], line["rung"], line["customer"]) == (FETCH, "model", ANNA)
    assert OUTSIDE not in str(lines)
    assert "secret-send" not in str(lines)


def test_a_sane_request_id_comes_back_and_another_is_replaced(web: Web) -> None:
    key = {"authorization": f"Bearer {web.token}"}
    query = {"customer": "a", "block": "hero"}
    kept = web.fetch({**key, "x-request-id": "abc-1"}, **query).headers["x-request-id"]
    assert kept == "abc-1"
    for insane in ("a b", "x" * 65, 'a"b'):
        answer = web.fetch({**key, "x-request-id": insane}, **query)
        assert answer.headers["x-request-id"] != insane


def test_answers_are_not_to_be_kept_or_sniffed(web: Web) -> None:
    headers = web.fetch(customer="a", block="hero").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_whatever_is_down_the_answer_is_200(web: Web) -> None:
    web.kit.fail()
    body = web.fetch(customer=OUTSIDE, block="hero")
    assert body.status_code == 200
    assert (body.json()["served_by"], body.json()["reason"]) == (
        "popular",
        "profile store unavailable",
    )
