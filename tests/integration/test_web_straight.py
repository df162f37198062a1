"""Template fetches straight from uvicorn's parser are answered as by any ASGI server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from serving.attempt import Answer
from serving.drawing import Shown, encode_slate
from serving.signing import sign_url
from serving.slate import Ask, Choice
from serving.web import access
from serving.web.access import Access
from tests.integration.straight import Reply, Served, served, wait_for
from tests.integration.web import CUSTOMERS, FETCH, Web
from tests.unit.serving.kit import NOW, metric

ANNA = "customer=anna&block=hero&send=monday"
LINGERS = "Content-Length: 0"
"""A header with which a fetch goes the way of any ASGI server."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, max_concurrent=8, deadline_ms=60_000)
    made.kit.stock()
    made.kit.promote("12")
    made.kit.know(CUSTOMERS.resolve("anna"), "bread")
    yield made
    made.kit.service.stop()


@pytest.fixture
def scorer(web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with served(web, monkeypatch) as serving:
        yield serving


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """What headers say that is not each response's own."""
    return {name: headers[name] for name in headers if name not in {"date", "x-request-id"}}


def counted(web: Web, status: int) -> float:
    """Template fetches that were answered with this status."""
    labels = {"method": "GET", "route": FETCH, "status": str(status)}
    return metric(web.kit, "homing_requests_total", **labels)


def customer(reply: Reply) -> str:
    """Who was answered."""
    assert reply.status == 200, reply
    found: str = json.loads(reply.body)["customer"]
    return found


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (ANNA, 200),
        (f"{ANNA}&n=1&explain=1", 200),
        ("customer=%61nna&block=hero&send=monday&utm=a+b", 200),
        ("customer=bert&customer=anna&block=second&send=monday", 200),
        (f"{ANNA}?", 200),
        ("", 422),
        ("customer=anna", 422),
        ("customer=anna&block=none", 422),
        (f"{ANNA}&n=-1&deadline_ms=0", 422),
        ("&" * 101, 422),
    ],
)
def test_a_fetch_is_answered_as_by_asgi(scorer: Served, query: str, status: int) -> None:
    client = scorer.client()
    straight = client.ask(client.fetch(query))
    assert (straight.status, scorer.by_asgi) == (status, [])
    usual = client.ask(client.fetch(query, LINGERS))
    assert scorer.by_asgi == [FETCH]
    assert told(straight.named) == told(usual.named)
    assert set(straight.named) == set(usual.named)
    assert (straight.status, straight.body) == (usual.status, usual.body)
    by_asgi = scorer.web.ask("GET", f"{FETCH}?{query}")
    assert told(straight.named) == told(by_asgi.headers)
    assert (straight.status, straight.body) == (by_asgi.status_code, by_asgi.content)


def test_who_may_not_ask_is_refused_as_by_asgi(scorer: Served) -> None:
    client = scorer.client()
    other = scorer.web.kit.parts.keys.create("other", ["events"]).token
    for token, status in (("", 401), ("hk_wrong", 401), (other, 403)):
        straight = client.ask(client.fetch(ANNA, token=token))
        usual = client.ask(client.fetch(ANNA, LINGERS, token=token))
        headers = {"authorization": f"Bearer {token}"} if token else {}
        by_asgi = scorer.web.ask("GET", f"{FETCH}?{ANNA}", headers)
        assert straight.status == usual.status == by_asgi.status_code == status
        assert straight.body == usual.body == by_asgi.content
        assert told(straight.named) == told(usual.named) == told(by_asgi.headers)
        assert "frame-ancestors 'none'" in straight.named["content-security-policy"]
        assert ("www-authenticate" in straight.named) == (status == 401)
    assert scorer.by_asgi == 3 * 2 * [FETCH]


def test_a_signed_url_needs_no_header(scorer: Served) -> None:
    key = scorer.web.kit.parts.keys.create("mails", ["recommend"]).key
    client = scorer.client()
    query = {"customer": "anna", "block": "hero", "send": "monday"}
    until = NOW + timedelta(1)
    signed = sign_url(FETCH, query, key=key.id, key_hex=key.signing, expires=until)
    reply = client.ask(client.request(f"GET {signed} HTTP/1.1", token=""))
    assert customer(reply) == CUSTOMERS.resolve("anna")
    assert client.ask(client.request(f"GET {signed}0 HTTP/1.1", token="")).status == 401
    assert scorer.by_asgi == []


def test_one_too_many_is_told_to_come_back_as_by_asgi(scorer: Served) -> None:
    clients = [scorer.client() for _ in range(8)]
    late = scorer.client()
    with scorer.waiting():
        for number, client in enumerate(clients):
            client.send(client.fetch(f"customer=c{number}&block=hero"))
        wait_for(lambda: late.ask(late.fetch(ANNA)).status == 503)
        straight = late.ask(late.fetch(ANNA))
        usual = late.ask(late.fetch(ANNA, LINGERS))
    assert (straight.status, straight.named["retry-after"]) == (503, "1")
    assert (straight.status, straight.body) == (usual.status, usual.body)
    assert told(straight.named) == told(usual.named)
    assert [client.read().status for client in clients] == 8 * [200]
    assert late.ask(late.fetch(ANNA)).status == 200


def test_a_sane_request_id_comes_back_and_another_does_not(scorer: Served) -> None:
    client = scorer.client()
    for query, status in ((ANNA, 200), ("", 422)):
        reply = client.ask(client.fetch(query, "X-Request-ID: mail-7"))
        assert (reply.status, reply.named["x-request-id"]) == (status, "mail-7")
        ids = {
            client.ask(client.fetch(query, *headers)).named["x-request-id"]
            for headers in ((), ("X-Request-ID: a b",), ("X-Request-ID: " + 65 * "a",))
        }
        assert len(ids) == 3
        assert not ids & {"a b", 65 * "a"}


def burst(*_: object, **__: object) -> None:
    message = "the inside"
    raise ZeroDivisionError(message)


def test_an_error_nobody_foresaw_is_told_counted_and_logged_and_costs_no_other_its_answer(
    scorer: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert = CUSTOMERS.resolve("bert")

    def drawn(ask: Ask, choice: Choice, shown: list[Shown]) -> bytes:
        if ask.customer == bert:
            burst()
        return encode_slate(ask, choice, shown)

    monkeypatch.setattr("serving.attempt.encode_slate", drawn)
    clients = {name: scorer.client() for name in ("anna", "bert", "carl")}
    with capture_logs() as lines:
        with scorer.held():
            for name, client in clients.items():
                client.send(client.fetch(f"customer={name}&block=hero"))
        replies = {name: client.read() for name, client in clients.items()}
    assert [replies[name].status for name in clients] == [200, 500, 200]
    document, named = json.loads(replies["bert"].body), replies["bert"].named
    assert (document["status"], "inside" in str(document)) == (500, False)
    assert "content-security-policy" in named
    (failed,) = [line for line in lines if line["event"] == "request failed"]
    assert failed["request_id"] == named["x-request-id"]
    assert (failed["method"], failed["route"]) == ("GET", FETCH)
    assert isinstance(failed["exc_info"], ZeroDivisionError)
    assert metric(scorer.web.kit, "homing_internal_errors_total") == 1
    monkeypatch.undo()
    client = clients["bert"]
    assert customer(client.ask(client.fetch("customer=bert&block=hero"))) == bert


def test_an_error_in_noting_an_answer_costs_nobody_anything(
    scorer: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, bert = Access.note_slate, CUSTOMERS.resolve("bert")

    def noted(self: Access, method: str, answer: Answer, seconds: float, request: str) -> None:
        if answer.attempt.ask.customer == bert:
            burst()
        notes(self, method, answer, seconds, request)

    monkeypatch.setattr(Access, "note_slate", noted)
    clients = {name: scorer.client() for name in ("anna", "bert", "carl")}
    for _ in range(2):  # nothing else was sent on the connection
        with capture_logs() as lines:
            with scorer.held():
                for name, client in clients.items():
                    client.send(client.fetch(f"customer={name}&block=hero"))
            for name, client in clients.items():
                assert customer(client.read()) == CUSTOMERS.resolve(name)
        assert [line["event"] for line in lines].count("request failed") == 1
    assert metric(scorer.web.kit, "homing_internal_errors_total") == 2
    assert scorer.by_asgi == []


def test_a_connection_that_is_kept_is_answered_again_and_again(scorer: Served) -> None:
    client = scorer.client()
    for number in range(50):
        reply = client.ask(client.fetch(f"customer=c{number}&block=hero"))
        assert customer(reply) == CUSTOMERS.resolve(f"c{number}")
    assert scorer.by_asgi == []
    wait_for(lambda: counted(scorer.web, 200) == 50)
    assert scorer.server.server_state.total_requests == 50


def test_a_request_may_come_byte_by_byte(scorer: Served) -> None:
    client = scorer.client()
    for byte in client.fetch(ANNA, "Connection: keep-alive"):
        client.send(bytes([byte]))
    assert customer(client.read()) == CUSTOMERS.resolve("anna")
    assert scorer.by_asgi == []


def test_requests_sent_without_waiting_are_answered_in_order_each_once(scorer: Served) -> None:
    client = scorer.client()
    order = ["a", "b", "/healthz", "c", "", "/healthz", "/healthz", "d"]
    for _ in range(3):
        client.send(
            *(
                client.request(f"GET {what} HTTP/1.1")
                if what == "/healthz"
                else client.fetch(what and f"customer={what}&block=hero")
                for what in order
            )
        )
        for what in order:
            reply = client.read()
            if what == "/healthz":
                assert reply.body == b'{"status":"alive"}'
            elif what:
                assert customer(reply) == CUSTOMERS.resolve(what)
            else:
                assert reply.status == 422
    assert client.ask(client.request("GET /healthz HTTP/1.1")).body == b'{"status":"alive"}'


def test_who_goes_away_costs_nobody_anything(scorer: Served) -> None:
    goes, ends, garbles, stays = (scorer.client() for _ in range(4))
    with capture_logs() as lines:
        with scorer.waiting():
            with scorer.held():
                goes.send(goes.fetch("customer=goes&block=hero"))
                ends.send(ends.fetch("customer=ends&block=hero"))
                two = (garbles.fetch(f"{ANNA}&n={n}") for n in (1, 2))
                garbles.send(*two, b"nothing\r\n\r\n")
                stays.send(stays.fetch("customer=bert&block=hero"))
            assert garbles.read().status == 400
            assert garbles.closed()
            goes.break_off()
            ends.close()
            wait_for(lambda: scorer.connections() == 1)
        assert customer(stays.read()) == CUSTOMERS.resolve("bert")
        for _ in range(8):  # nobody who has gone counts as one that is being answered
            assert stays.ask(stays.fetch(ANNA)).status == 200
    assert {line["event"] for line in lines} == {"request"}
    assert metric(scorer.web.kit, "homing_internal_errors_total") == 0
    wait_for(lambda: counted(scorer.web, 200) == 1 + 8)
    assert scorer.by_asgi == []


@pytest.mark.parametrize(
    "rest",
    [
        "1.1\r\nConnection: close",
        "1.0\r\nAccept: */*",
        "1.0\r\nConnection: keep-alive",
        "1.0\r\nProxy-Connection: keep-alive",
    ],
)
def test_who_wants_the_connection_closed_gets_that(scorer: Served, rest: str) -> None:
    client = scorer.client()
    reply = client.ask(client.request(f"GET {FETCH}?{ANNA} HTTP/{rest}"))
    assert customer(reply) == CUSTOMERS.resolve("anna")
    assert reply.named["connection"] == "close"
    assert client.closed()
    assert scorer.by_asgi == [FETCH]


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        (f"{FETCH}?{ANNA}", ["Content-Length: 5"], b"hello"),
        (f"{FETCH}?{ANNA}", ["Content-Length: 2", "Expect: 100-continue"], b"hi"),
        (f"{FETCH}?{ANNA}", ["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
        (f"{FETCH}?{ANNA}", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"], b""),
        (f"{FETCH}?{ANNA}#top", [], b""),
        (f"{FETCH.replace('a', '%61')}?{ANNA}", [], b""),
        (f"http://homing{FETCH}?{ANNA}", [], b""),
    ],
)
def test_what_is_unusual_is_answered_all_the_same(
    scorer: Served, target: str, headers: list[str], body: bytes
) -> None:
    client = scorer.client()
    for _ in range(2):
        reply = client.ask(client.request(f"GET {target} HTTP/1.1", *headers), body)
        assert customer(reply) == CUSTOMERS.resolve("anna")
    assert scorer.by_asgi == 2 * [FETCH]
    assert customer(client.ask(client.fetch(ANNA))) == CUSTOMERS.resolve("anna")
    assert len(scorer.by_asgi) == 2


def test_head_gets_the_headers_alone(scorer: Served) -> None:
    client = scorer.client()
    full = client.ask(client.fetch(ANNA))
    client.send(client.request(f"HEAD {FETCH}?{ANNA} HTTP/1.1"))
    head = client.read(has_body=False)
    assert (head.status, told(head.named)) == (200, told(full.named))
    assert client.ask(client.fetch(ANNA)).body == full.body


@pytest.mark.parametrize("byte", [b"\xff", b"\x7f"])
def test_a_byte_that_no_url_has_is_refused(scorer: Served, byte: bytes) -> None:
    client = scorer.client()
    assert client.ask(client.fetch(ANNA).replace(b"anna", byte)).status == 400
    assert client.closed()


def test_who_reads_slowly_gets_everything(scorer: Served) -> None:
    client = scorer.client(receive=4_096)
    state, sent = scorer.server.server_state, 0
    while not scorer.by_asgi:  # what is sent to who does not read waits for him
        client.send(client.fetch(f"customer=c{sent}&block=hero&n=6"))
        sent += 1
        wait_for(lambda sent=sent: state.total_requests == sent or bool(scorer.by_asgi))  # type: ignore[misc]
    assert sent > 10
    for number in range(sent):
        assert customer(client.read()) == CUSTOMERS.resolve(f"c{number}")
    assert customer(client.ask(client.fetch(ANNA))) == CUSTOMERS.resolve("anna")
    assert scorer.by_asgi == [FETCH]


def test_a_graceful_end_answers_first(scorer: Served) -> None:
    idle, asks, queues = (scorer.client() for _ in range(3))
    idle.ask(idle.fetch(ANNA))
    with scorer.waiting():
        asks.send(asks.fetch("customer=bert&block=hero"))
        queues.send(*(queues.fetch(f"customer=carl&block=hero&n={n}") for n in (1, 2)))
        wait_for(lambda: scorer.connections() == 3)
        scorer.server.should_exit = True
        assert idle.closed()  # all are told at the same time
    reply = asks.read()
    assert (customer(reply), reply.named["connection"]) == (CUSTOMERS.resolve("bert"), "close")
    assert asks.closed()
    assert "connection" not in queues.read().named
    assert queues.read().named["connection"] == "close"
    assert queues.closed()


def test_while_it_drains_each_answer_closes(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(web, monkeypatch, drain=60) as scorer:
        slate, refused, two = (scorer.client() for _ in range(3))
        for client, query in ((slate, ANNA), (refused, "")):
            assert "connection" not in client.ask(client.fetch(query)).named
        scorer.server.handle_exit(signal.SIGTERM, None)
        for client, query, status in ((slate, ANNA, 200), (refused, "", 422)):
            reply = client.ask(client.fetch(query))
            assert (reply.status, reply.named["connection"]) == (status, "close")
            assert client.closed()
        two.send(two.fetch(ANNA), two.fetch(ANNA))
        assert two.read().status == 200
        assert two.closed()


def test_each_answer_is_counted_and_logged_once_as_by_asgi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(access, "line_writer", lambda _: written.append)
    web = Web(tmp_path)
    with capture_logs() as logged, served(web, monkeypatch) as scorer:
        client = scorer.client()
        for query in (ANNA, ""):
            for headers in ((), (LINGERS,)):
                client.ask(client.fetch(query, "X-Request-ID: one", *headers))
        wait_for(lambda: len(written) == 2)
    slates = [json.loads(line) for line in written]
    refused = [line for line in logged if line["event"] == "request"]
    for (one, other), status in ((slates, 200), (refused, 422)):
        assert list(one) == list(other)
        assert min(one.pop("ms"), other.pop("ms")) > 0
        assert {line.pop("timestamp", "Z")[-1] for line in (one, other)} == {"Z"}
        assert one == other
        assert (one["status"], one["request_id"], one["route"]) == (status, "one", FETCH)
        assert counted(web, status) == 2
    assert slates[0]["customer"] == CUSTOMERS.resolve("anna")
    assert metric(web.kit, "homing_request_seconds_count", route=FETCH) == 4
