from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.web import CUSTOMERS, Web, problem

ANNA = CUSTOMERS.resolve("anna")
OVERRIDES = "/v1/overrides"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    made.kit.stock()
    made.kit.promote("3")
    made.kit.know(ANNA, "bread")
    yield made
    made.kit.service.stop()


def shown(web: Web, explain: str = "0") -> list[dict[str, Any]]:
    body = web.fetch(customer="anna", block="hero", explain=explain).json()
    items: list[dict[str, Any]] = body["items"]
    return items


def ids(web: Web) -> list[str]:
    return [item["id"] for item in shown(web)]


def test_what_is_decided_is_in_the_next_answer_and_in_the_list(web: Web) -> None:
    assert ids(web) == ["cream", "dates"]
    ban = {"id": "no-cream", "action": "ban", "item": "cream", "ends_at": "2026-04-01T00:00:00Z"}
    answer = web.ask("PUT", OVERRIDES, json=ban)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    assert ids(web) == ["dates", "apple"]
    listed = web.ask("GET", OVERRIDES).json()
    assert listed == {"count": 1, "overrides": [{**ban, "created_at": "2026-03-01T12:00:00Z"}]}
    dropped = web.ask("DELETE", f"{OVERRIDES}/no-cream")
    assert (dropped.status_code, dropped.json()) == (200, {"dropped": "no-cream"})
    assert ids(web) == ["cream", "dates"]


def test_an_answer_tells_on_demand_what_was_pinned_and_boosted(web: Web) -> None:
    both = [
        {"action": "pin", "item": "flour", "block": "hero", "position": 2},
        {"action": "boost", "item": "dates", "strength": 0.5},
    ]
    assert web.ask("PUT", OVERRIDES, json=both).json() == {"accepted": 2}
    assert [item["id"] for item in shown(web)] == ["dates", "flour"]
    assert [item["moved"] for item in shown(web, explain="1")] == [
        {"from_position": 2, "rules": [], "overrides": ["boost"]},
        {"from_position": None, "rules": [], "overrides": ["pin"]},
    ]


def test_putting_an_override_again_changes_nothing(web: Web) -> None:
    pin = {"action": "pin", "item": "flour"}
    for _ in range(2):
        web.ask("PUT", OVERRIDES, json=pin)
    assert web.ask("GET", OVERRIDES).json()["count"] == 1


def test_what_cannot_be_used_is_refused_whole(web: Web) -> None:
    good = {"action": "ban", "item": "cream"}
    bad = [good, {**good, "item": "crema"}, {**good, "block": "heroes"}]
    document = problem(web.ask("PUT", OVERRIDES, json=bad), 422)
    assert [(one["index"], one["field"]) for one in document["problems"]] == [
        (1, "item"),
        (2, "block"),
    ]
    problem(web.ask("PUT", OVERRIDES, json={**good, "action": "hide"}), 422)
    problem(web.ask("PUT", OVERRIDES, json=[good] * 1_001), 413)
    problem(web.ask("DELETE", f"{OVERRIDES}/nothing"), 404)
    assert web.ask("GET", OVERRIDES).json()["count"] == 0


def test_only_who_may_change_the_catalogue_may_decide(web: Web) -> None:
    ban = {"action": "ban", "item": "cream"}
    for method, url, said in (
        ("GET", OVERRIDES, None),
        ("PUT", OVERRIDES, ban),
        ("DELETE", f"{OVERRIDES}/one", None),
    ):
        assert web.ask(method, url, web.key("recommend", "events"), json=said).status_code == 403
        assert web.ask(method, url, {}, json=said).status_code == 401
    assert web.ask("PUT", OVERRIDES, web.key("catalogue"), json=ban).status_code == 200


def test_a_store_that_is_down_says_when_to_come_back(web: Web) -> None:
    web.ask("PUT", OVERRIDES, json={"action": "ban", "item": "cream"})
    web.kit.fail()
    for method, said in (("GET", None), ("PUT", {"action": "ban", "item": "dates"})):
        answer = web.ask(method, OVERRIDES, json=said)
        problem(answer, 503)
        assert "retry-after" in answer.headers
    assert "cream" not in ids(web)
