"""What a campaign's fetches may ask besides, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message
from starlette.types import Scope as HttpScope
from structlog.testing import capture_logs

from features.errors import InvalidArgument
from features.stores.codec import decode_event
from serving.attempt import Answer
from serving.slate import Reason, Rung
from serving.web.fetch import Fetch
from tests.integration.web import FETCH, Web, problem
from tests.unit.serving.kit import ANNA


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, max_concurrent=1)
    made.kit.stock()
    made.kit.promote("3")
    made.kit.know(ANNA, "bread")
    yield made
    made.kit.service.stop()


def recorded(web: Web) -> int:
    web.kit.service.start()
    web.kit.parts.exposures.close()
    entries = [decode_event(entry.body) for entry in web.kit.log.take("reader", 100)]
    return sum(entry.type == "slate_served" for entry in entries)


def test_what_was_shown_is_recorded_once_and_a_rehearsal_is_not(web: Web) -> None:
    for _ in range(3):
        web.fetch(customer=ANNA, block="hero", send="real")
        web.fetch(customer=ANNA, block="hero", send="rehearsal", record="0")
        web.fetch(customer=ANNA, block="hero")
    assert recorded(web) == 1


@pytest.mark.parametrize("bad", ["", "no", "2"])
def test_recording_is_on_or_off(web: Web, bad: str) -> None:
    told = problem(web.fetch(customer=ANNA, block="hero", record=bad), 422)
    assert told["problems"][0]["field"] == "record"


def test_a_template_that_has_little_time_is_answered_in_it(web: Web) -> None:
    with web.kit.hanging():
        began = time.monotonic()
        answer = web.fetch(customer=ANNA, block="hero", deadline_ms="60").json()
        assert time.monotonic() - began < 1.0
    assert (answer["reason"], answer["count"]) == (Reason.DEADLINE, 2)


def test_more_time_than_the_setting_gives_is_as_much_as_it_gives(web: Web) -> None:
    assert web.fetch(customer=ANNA, block="hero", deadline_ms="900000").status_code == 200


@pytest.mark.parametrize("bad", ["", "0", "9", "-1", "1e3", "ten", "1000000"])
def test_a_deadline_is_milliseconds_from_ten(web: Web, bad: str) -> None:
    told = problem(web.fetch(customer=ANNA, block="hero", deadline_ms=bad), 422)
    assert told["problems"][0]["cure"] == "send milliseconds from 10"


def test_a_query_longer_than_any_template_s_is_refused(web: Web) -> None:
    problem(web.fetch(customer=ANNA, block="hero", more="x" * 9_000), 422)
    many = "&".join(f"p{number}=1" for number in range(200))
    problem(web.ask("GET", f"{FETCH}?customer={ANNA}&block=hero&{many}"), 422)


def test_who_is_one_too_many_is_told_to_come_back(web: Web) -> None:
    service = web.kit.service
    service._answers._asked = 1
    refused = web.fetch(customer=ANNA, block="hero")
    assert problem(refused, 503)["type"] == "urn:homing:problem:overloaded"
    assert refused.headers["retry-after"] == "1"
    service._answers._asked = 0
    assert web.fetch(customer=ANNA, block="hero").status_code == 200


def test_a_method_that_there_is_not_is_told_those_there_are(web: Web) -> None:
    refused = web.ask("DELETE", FETCH)
    problem(refused, 405)
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


async def life(web: Web) -> None:
    """The service's life, from its start to its end."""
    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(told)

    async def send(message: Message) -> None:
        assert message["type"].endswith(".complete"), message

    await web.app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)


def test_a_slate_s_line_is_what_the_logger_would_write(web: Web) -> None:
    written: list[bytes] = []
    web.app.access._write = written.append
    with capture_logs() as lines:
        web.fetch({"authorization": f"Bearer {web.token}", "x-request-id": "one"}, **ASKED)
        web.fetch({"x-request-id": "one"}, **ASKED)
    asyncio.run(life(web))
    (refused,) = [line for line in lines if line["event"] == "request"]
    (line,) = [json.loads(line) for line in written]
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("level") == refused.pop("log_level") == "info"
    assert isinstance(line.pop("ms"), type(refused.pop("ms")))
    assert refused.pop("status") == 401
    assert line == {**refused, "status": 200, "customer": ANNA, "rung": "model"}


def test_who_comes_in_the_same_moment_is_answered_alone(tmp_path: Path) -> None:
    web = Web(tmp_path)
    web.kit.stock()
    web.kit.promote("3")
    web.kit.know(ANNA, "bread")
    fetch: Fetch = web.app.fetch

    def request(block: str) -> HttpScope:
        query = f"customer={ANNA}&block={block}".encode()
        bearer = (b"authorization", f"Bearer {web.token}".encode())
        return {"headers": [bearer], "query_string": query, "method": "GET", "path": FETCH}

    blocks = ("hero", "nothing", "nothing", "hero", "second")

    async def ask() -> list[Answer | BaseException]:
        asked = [fetch.answer(request(block)) for block in blocks]
        # Two go away before anybody has looked at what they asked, one while it is answered.
        asked[0].cancel()
        asked[1].cancel()
        await asyncio.sleep(0)
        asked[3].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    for _ in range(3):
        gone, away, refused, left, answer = asyncio.run(ask())
        assert isinstance(gone, asyncio.CancelledError)
        assert isinstance(away, asyncio.CancelledError)
        assert isinstance(left, asyncio.CancelledError)
        assert isinstance(refused, InvalidArgument)
        assert isinstance(answer, Answer)
        assert answer.choice.served_by is Rung.MODEL
    web.kit.service.stop()


def test_who_comes_in_the_same_turn_is_begun_with_together_and_nobody_waits_longer(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    fetch: Fetch = web.app.fetch
    monkeypatch.setattr(fetch._service, "begin", lambda ask, _: begun.append(ask.block))

    def ask(block: str) -> None:
        query = f"customer={ANNA}&block={block}".encode()
        bearer = (b"authorization", f"Bearer {web.token}".encode())
        fetch.answer({"headers": [bearer], "query_string": query, "method": "GET", "path": FETCH})

    async def asking() -> None:
        ask("first")
        await asyncio.sleep(0)
        assert begun == ["first"]
        ask("second")
        ask("third")
        assert begun == ["first"]
        await asyncio.sleep(0)
        assert begun == ["first", "second", "third"]

    asyncio.run(asking())


ASKED = {"customer": ANNA, "block": "hero"}
