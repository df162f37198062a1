from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.event import EventType
from features.stores.codec import decode_event
from tests.integration.pushing import ENVIRON, from_shop, gun, kept, order, push
from tests.integration.web import CUSTOMERS, Web, problem
from tests.unit.serving.kit import ITEMS, metric


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, ENVIRON, public_url="https://homing.example.com/")
    yield made
    made.kit.service.stop()


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


def test_a_robot_is_known_by_its_haste_over_several_deliveries(web: Web) -> None:
    for number in range(3):
        told = json.loads(gun(f"c-{number}", f"t{number}"))
        about = {"event": "clicked", "user-variables": {"send": "monday", "item": f"i-{number}"}}
        told["event-data"] |= about
        assert push(web, "mailgun", json.dumps(told).encode(), {}).status_code == 200
    assert [decode_event(body).machine for body in kept(web)] == [False, False, True]


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


def test_products_go_into_the_catalogue_and_those_that_are_gone_out_of_stock(web: Web) -> None:
    web.kit.stock(*ITEMS)
    product = {"id": 9, "title": "Lamp", "status": "active", "variants": [{"id": 1, "price": "3"}]}
    assert from_shop(web, "products/create", product).status_code == 200
    assert web.kit.catalogue.get_many(["9"])["9"].title == "Lamp"
    assert from_shop(web, "products/delete", {"id": 9}).status_code == 200
    assert not web.kit.catalogue.get_many(["9"])["9"].in_stock


def test_the_document_tells_of_webhooks_and_tracking(web: Web) -> None:
    paths = web.ask("GET", "/openapi.json", {}).json()["paths"]
    assert {"/v1/webhooks/{source}", "/v1/track", "/v1/batch"} <= paths.keys()
