from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.web.app import create_app
from tests.integration.pushing import AT, ENVIRON, from_shop, gun, kept, order, push
from tests.integration.web import CUSTOMERS, Web, problem
from tests.unit.serving.kit import metric, refuse


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, ENVIRON, public_url="https://homing.example.com/")
    yield made
    made.kit.service.stop()


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
    assert web.kit.pins.calls.count("pin_many") == 1
    assert push(web, "mailgun", gun("b", "t2"), {}).json()["accepted"] == 1
    assert len(kept(web)) == 2
    assert metric(web.kit, "homing_webhooks_repeated_total", source="mailgun") == 1


def test_what_one_source_has_sent_another_may_send(web: Web) -> None:
    assert push(web, "mailgun", gun("a"), {}).json()["accepted"] == 1
    body = json.dumps({"what": "nothing of ours"}).encode()
    mac = hmac.new(b"another secret", b"%dt1.%d." % (AT, AT) + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    headers = {"id": f"{AT}t1", "timestamp": str(AT), "signature": signature}
    told = {f"webhook-{name}": value for name, value in headers.items()}
    assert push(web, "standard-webhooks", body, told).json()["unreadable"] == 1


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


@pytest.mark.parametrize("together", [1, 500])
def test_of_two_that_come_at_once_one_is_taken(
    web: Web, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.intake.MOST_TOGETHER", together)
    answers: list[httpx.Response] = []

    async def both(client: httpx.AsyncClient) -> httpx.Response:
        sent = [client.post("/v1/webhooks/mailgun", content=gun(name)) for name in "ab"]
        answers.extend(await asyncio.gather(*sent))
        return answers[0]

    web.talk(both)
    assert [answer.json()["accepted"] for answer in answers] == [1, 0]


def test_of_two_that_come_at_once_neither_is_acknowledged_where_nothing_is_kept(web: Web) -> None:
    answers: list[httpx.Response] = []

    async def both(client: httpx.AsyncClient) -> httpx.Response:
        sent = [client.post("/v1/webhooks/mailgun", content=gun("a")) for _ in range(2)]
        answers.extend(await asyncio.gather(*sent))
        return answers[0]

    web.kit.log.fault = refuse
    web.talk(both)
    assert [answer.status_code for answer in answers] == [503, 503]
    web.kit.log.fault = None
    assert push(web, "mailgun", gun("a"), {}).json()["accepted"] == 1


def test_what_could_not_be_remembered_comes_again(web: Web) -> None:
    def refuse_to_pin() -> None:
        if web.kit.pins.calls[-1] == "pin_many":
            refuse()

    web.kit.pins.fault = refuse_to_pin
    problem(push(web, "mailgun", gun("a"), {}), 503)
    web.kit.pins.fault = None
    assert push(web, "mailgun", gun("a"), {}).json()["accepted"] == 1


def test_while_tokens_cannot_be_looked_up_their_deliveries_wait_and_others_do_not(web: Web) -> None:
    web.kit.pins.fault = refuse
    problem(push(web, "mailgun", gun("a"), {}), 503)
    assert from_shop(web, "orders/create", order("lamp")).status_code == 200
