from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from features.event import EventType
from features.stores.codec import decode_event, encode_event
from tests.integration.web import CUSTOMERS, Web, problem
from tests.unit.serving.kit import NOW, purchase

PATH = "/admin/letters"
ANNA = CUSTOMERS.resolve("anna")
TRACKED = {"event": "Products Searched", "userId": "anna", "timestamp": NOW.isoformat()}
BROKEN = json.dumps({**TRACKED, "timestamp": "soon"}).encode()
MEND = '[set]\ntimestamp = {constant = "2026-03-01T00:00:00Z"}'


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    yield made
    made.kit.service.stop()


def bury(web: Web, body: bytes = BROKEN, origin: str = "segment?method=track") -> int:
    web.kit.log.bury([body], "timestamp: no <time>", origin)
    number: int = web.kit.log.dead_letters()[-1].id
    return number


def page(web: Web, path: str = PATH, **query: str) -> str:
    shown = web.ask("GET", path, params=query)
    assert shown.status_code == 200, shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    return shown.text


def post(web: Web, path: str = PATH, **form: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {web.token}", "sec-fetch-site": "same-origin"}
    return web.ask("POST", path, headers, data=form)


def kept(web: Web) -> list[EventType]:
    return [decode_event(entry.body).type for entry in web.kit.log.take("profiles", 100)]


def test_nobody_gets_in_without_the_scope_admin(web: Web) -> None:
    number = bury(web)
    for path in (PATH, f"{PATH}/{number}"):
        for method in ("GET", "POST"):
            answer = web.ask(method, path, {})
            problem(answer, 401)
            assert "Basic" in answer.headers["www-authenticate"]
            problem(web.ask(method, path, web.key("events", "catalogue", "recommend")), 403)
    basic = base64.b64encode(f"me:{web.token}".encode()).decode()
    assert web.ask("GET", PATH, {"authorization": f"Basic {basic}"}).status_code == 200


def test_letters_are_listed_by_source_reason_and_time(web: Web) -> None:
    assert "There is none." in page(web)
    bury(web)
    web.kit.clock.advance(timedelta(days=1))
    bury(web, b"\xff", "ingest")
    text = page(web)
    assert "timestamp: no &lt;time&gt;" in text
    assert "<td>segment</td>" in text
    assert "<td>ingest</td>" in text
    assert "<td>ingest</td>" not in page(web, source="segment")
    assert "There is none." in page(web, reason="other")
    assert "<td>segment</td>" not in page(web, since="2026-03-02T00:00")
    assert "<td>ingest</td>" not in page(web, until="2026-03-02T00:00:00+00:00")
    problem(web.ask("GET", PATH, params={"since": "soon"}), 422)


def test_a_long_list_goes_on_behind_a_link(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.web.letters.LISTED", 1)
    first, second = bury(web), bury(web, b"2")
    assert f"/admin/letters?source=segment&amp;after={first}" in page(web, source="segment")
    assert f"{PATH}/{second}" in page(web, after=str(first))
    assert "The next ones" not in page(web, after=str(first))


def test_a_letter_says_what_it_holds_and_why_it_cannot_be_read(web: Web) -> None:
    text = page(web, f"{PATH}/{bury(web, b'{<script>')}")
    assert "can't be read now: not JSON" in text
    assert "{&lt;script&gt;" in text
    assert "ff00" in page(web, f"{PATH}/{bury(web, bytes([255, 0]))}")
    event = encode_event(purchase(ANNA, "apple"))
    assert "It can be read now." in page(web, f"{PATH}/{bury(web, event, 'ingest')}")


def test_a_repair_is_tried_before_it_is_sent(web: Web) -> None:
    number = bury(web)
    tried = post(web, f"{PATH}/{number}", action="try", repair=MEND)
    assert "It can be read now." in tried.text
    assert ANNA in tried.text
    assert kept(web) == []
    sent = post(web, f"{PATH}/{number}", action="send", repair=MEND)
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        f"{PATH}?said={number}+sent+again",
    )
    assert kept(web) == [EventType.SEARCH]
    assert web.kit.log.dead_letters() == []


def test_an_edit_counts_where_it_is_ticked(web: Web) -> None:
    path = f"{PATH}/{bury(web)}"
    body = json.dumps(TRACKED)
    assert "no time" in post(web, path, action="send", body=body).text
    assert post(web, path, action="send", body=body, edited="yes").status_code == 303
    assert kept(web) == [EventType.SEARCH]


def test_a_repair_that_does_not_help_says_so_and_sends_nothing(web: Web) -> None:
    path = f"{PATH}/{bury(web)}"
    for repair in ("[set", 'remove = ["event"]'):
        assert "can't be read now" in post(web, path, action="send", repair=repair).text
    assert len(web.kit.log.dead_letters()) == 1


def test_all_that_can_be_read_now_is_sent_with_one_click(web: Web) -> None:
    bury(web)
    bury(web, json.dumps(TRACKED).encode())
    bury(web, encode_event(purchase(ANNA, "apple")), "ingest")
    sent = post(web, source="segment")
    assert sent.headers["location"] == f"{PATH}?source=segment&said=1+sent+again"
    assert kept(web) == [EventType.SEARCH]
    assert "1 sent again" in page(web, said="1 sent again")


def test_a_letter_is_dropped_by_its_button_alone(web: Web) -> None:
    number = bury(web)
    post(web, f"{PATH}/{number}", action="")
    assert len(web.kit.log.dead_letters()) == 1
    post(web, f"{PATH}/{number}", action="drop")
    assert web.kit.log.dead_letters() == []
    problem(post(web, f"{PATH}/{number}", action="drop"), 404)
    for name in ("x", "٣", "9" * 30, quote("a/b", safe="")):
        problem(web.ask("GET", f"{PATH}/{name}"), 404)


def test_another_sites_page_can_do_nothing(web: Web) -> None:
    number = bury(web)
    bearer = {"authorization": f"Bearer {web.token}"}
    for told in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none"}, {"origin": "null"}):
        answer = web.ask("POST", f"{PATH}/{number}", bearer | told, data={"action": "drop"})
        assert "another site" in problem(answer, 403)["detail"]
    assert web.ask("POST", f"{PATH}/{number}", bearer, data={"action": "drop"}).status_code == 303


def test_what_is_no_form_is_refused(web: Web) -> None:
    for body in (b"\xff", b"&".join(b"a=1" for _ in range(30))):
        problem(web.ask("POST", PATH, content=body), 422)
