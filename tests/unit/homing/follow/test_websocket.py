from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Request
from websockets.http11 import Response as Answer
from websockets.sync.server import ServerConnection
from websockets.utils import accept_key

from features.clock import SystemClock
from features.errors import SettingsError, StoreUnavailable
from homing.follow.connecting import Around
from homing.follow.declared import Auth, WebSocket
from homing.follow.positions import Positions
from homing.follow.stream import Message
from homing.follow.websocket import WebSocketStream
from tests.followed import Taken, running, taken, told, wait_for
from tests.followed_socket import Socket, socket_server

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: %b\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)


@pytest.fixture
def refused() -> list[tuple[int, str]]:
    """Status and `Retry-After` that the next connections get instead, the first first."""
    return []


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, refused: list[tuple[int, str]]) -> Iterator[Socket]:
    def before(connection: ServerConnection, _: Request) -> Answer | None:
        if not refused:
            return None
        status, after = refused.pop(0)
        answer = connection.respond(HTTPStatus(status), "")
        if after:
            answer.headers["Retry-After"] = after
        return answer

    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    frames = [json.dumps({**told(number), "seq": number, "what": "view"}) for number in range(6)]
    with socket_server(Socket(frames), process_request=before, ping_interval=None) as served:
        yield served


class Opened:
    """A stream of a WebSocket, and how often its connection was lost."""

    def __init__(self, shop: Socket, folder: Path, **fields: Any) -> None:  # noqa: ANN401 - its own
        self.lost = 0
        declared = WebSocket(**{"url": shop.url, **fields})
        values = {"TOKEN": "hush", "API_KEY": "h&sh"}
        around = Around(values.__getitem__, folder, SystemClock(), self.lose)
        self.stream = WebSocketStream(declared, around)

    def lose(self) -> None:
        self.lost += 1


def after(shop: Socket) -> None:
    """Have the feed begin behind the number that it is sent."""
    shop.begin = lambda said: json.loads(said)["after"] + 1


def test_texts_and_bytes_come_as_they_are_in_order(shop: Socket, tmp_path: Path) -> None:
    shop.frames = ["one", b"\xff\x00", "drei ä"]
    found = taken(Opened(shop, tmp_path).stream, 3).messages
    assert found == [Message("", "", body) for body in (b"one", b"\xff\x00", "drei ä".encode())]


def slowly_taken(stream: WebSocketStream, enough: int) -> Taken:
    """What a stream delivers where the first batch takes so long that the rest waits."""
    take = Taken(enough)

    def slow(messages: Sequence[Message]) -> None:
        if not take.batches:
            time.sleep(0.2)
        take(messages)

    stream.run(slow, take.stop)
    return take


def test_what_waits_together_is_taken_together(shop: Socket, tmp_path: Path) -> None:
    take = slowly_taken(Opened(shop, tmp_path).stream, 6)
    assert len(take.batches) <= 3
    assert take.numbers() == [f"n{number}" for number in range(6)]


@pytest.mark.parametrize("limit", ["BATCH", "BATCH_BYTES"])
def test_of_what_waits_no_more_is_taken_at_once_than_is_allowed(
    shop: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"homing.follow.websocket.{limit}", 1)
    take = slowly_taken(Opened(shop, tmp_path).stream, 6)
    assert [len(batch) for batch in take.batches] == [1] * 6


def test_a_message_of_no_place_takes_none_from_those_before_it(
    shop: Socket, tmp_path: Path
) -> None:
    shop.frames.append('{"op": "pong"}')
    slowly_taken(Opened(shop, tmp_path, cursor="seq").stream, 7)
    assert Positions(tmp_path).position == "5"


def test_a_lost_connection_goes_on_behind_what_was_taken(shop: Socket, tmp_path: Path) -> None:
    shop.each = 2
    after(shop)
    ask = {"op": "subscribe", "after": "{cursor}", "token": "{TOKEN}", "to": ["all", 1]}
    opened = Opened(shop, tmp_path, subscribe=(ask,), cursor="seq", first=-1)
    assert taken(opened.stream, 6).numbers() == [f"n{number}" for number in range(6)]
    assert [json.loads(one[0]) for one in shop.heard] == [
        {"op": "subscribe", "after": place, "token": "hush", "to": ["all", 1]}
        for place in (-1, 1, 3)
    ]
    assert opened.lost == 2
    assert Positions(tmp_path).position == "5"


def test_a_batch_that_could_not_be_taken_comes_again(shop: Socket, tmp_path: Path) -> None:
    def refuse(_: Sequence[Message]) -> None:
        message = "the log is away"
        raise StoreUnavailable(message)

    with pytest.raises(StoreUnavailable, match="the log is away"):
        Opened(shop, tmp_path, cursor="seq").stream.run(refuse, threading.Event())
    assert Positions(tmp_path).position == ""


def test_a_place_may_stand_in_the_address_and_in_a_text(shop: Socket, tmp_path: Path) -> None:
    shop.begin = lambda _: 0
    shop.frames = ['{"at": {"seq": "a b/3"}}']
    fields: dict[str, Any] = {
        "cursor": "at.seq",
        "first": "the start",
        "subscribe": ("go {cursor}",),
    }
    url = f"{shop.url}?from={{cursor}}"
    for _ in range(2):
        taken(Opened(shop, tmp_path, url=url, **fields).stream, 1)
    assert [one["path"] for one in shop.asked] == ["/feed?from=the%20start", "/feed?from=a%20b%2F3"]
    assert [one[0] for one in shop.heard] == ["go the start", "go a b/3"]


@pytest.mark.parametrize(
    ("auth", "path", "header"),
    [
        (Auth(type="bearer"), "/feed", "Bearer hush"),
        (Auth(type="api_key", name="key", location="query"), "/feed?key=h%26sh", None),
        (None, "/feed", None),
    ],
)
def test_it_says_who_we_are(
    shop: Socket, tmp_path: Path, auth: Auth | None, path: str, header: str | None
) -> None:
    taken(Opened(shop, tmp_path, auth=auth, headers={"X-Shop": "{TOKEN}"}).stream, 1)
    assert shop.asked[0]["path"] == path
    assert shop.asked[0].get("Authorization") == header
    assert shop.asked[0]["X-Shop"] == "hush"


def test_a_message_says_of_which_kind_it_is(shop: Socket, tmp_path: Path) -> None:
    shop.frames = ['{"a": {"what": "view"}}', "[]", "no JSON"]
    first, second, third = taken(Opened(shop, tmp_path, kind="a.what").stream, 3).messages
    assert (first.kind, second.kind) == ("view", "")
    assert third.trouble == "not JSON; have the feed send JSON in UTF-8"


def test_a_message_that_is_too_long_is_told(
    shop: Socket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.frames[3] = "x" * 2_000
    opened = Opened(shop, tmp_path, most_bytes=1_000)
    with running(opened.stream) as take:
        wait_for(lambda: opened.lost > 0)
    assert take.numbers()[:3] == ["n0", "n1", "n2"]
    assert "longer than 1,000 bytes: raise websocket.most_bytes" in capsys.readouterr().out


def test_it_waits_as_long_as_it_is_asked_to(
    shop: Socket, tmp_path: Path, refused: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float | None]] = []

    def noted(attempt: int, after: float | None) -> float:
        asked.append((attempt, after))
        return 0.0

    monkeypatch.setattr("homing.follow.connecting.seconds_to_wait", noted)
    refused += [(503, ""), (429, "7")]
    assert len(taken(Opened(shop, tmp_path).stream, 6).messages) >= 6
    assert asked == [(1, None), (2, 7.0)]


def test_what_will_not_pass_ends_it_with_the_cure(
    shop: Socket, tmp_path: Path, refused: list[tuple[int, str]]
) -> None:
    refused += [(403, "")]
    with pytest.raises(SettingsError, match=r"answers 403: see to websocket.url"):
        Opened(shop, tmp_path).stream.run(Taken(1), threading.Event())
    with pytest.raises(SettingsError, match="the address of the feed can't be used") as caught:
        Opened(shop, tmp_path, url="ws://{TOKEN}@:x").stream.run(Taken(1), threading.Event())
    assert "hush" not in str(caught.value)


def test_where_nobody_speaks_websockets_it_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    shop = Socket()
    shop.url = "ws://127.0.0.1:9/"
    opened = Opened(shop, tmp_path)
    with running(opened.stream):
        wait_for(lambda: opened.lost > 1)


def test_a_silent_feed_is_asked_and_stays_where_it_answers(shop: Socket, tmp_path: Path) -> None:
    opened = Opened(shop, tmp_path, silence=0.1)
    with running(opened.stream):
        time.sleep(1.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    assert (opened.lost, len(shop.asked)) == (0, 1)


@pytest.mark.parametrize("told", ["websocket", "ann@example.com"])
def test_a_feed_that_answers_no_ping_or_otherwise_is_connected_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    told: str,
) -> None:
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        deaf = Socket()
        deaf.url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
        opened = Opened(deaf, tmp_path, silence=0.1)
        with running(opened.stream):
            held, _ = listening.accept()
            listening.close()
            with held:
                [key] = re.findall(rb"Sec-WebSocket-Key: (\S+)", held.recv(9_999))
                held.sendall(ANSWER % (told.encode(), accept_key(key.decode()).encode()))
                wait_for(lambda: opened.lost > 0)
    shown = capsys.readouterr().out
    assert ("answers no ping" if told == "websocket" else "InvalidHeaderFormat") in shown
    assert "ann" not in shown


def test_a_socket_that_ends_between_two_batches_loses_nothing(shop: Socket, tmp_path: Path) -> None:
    shop.each = 6
    opened = Opened(shop, tmp_path)
    assert taken(opened.stream, 12).numbers() == [f"n{number}" for number in range(6)] * 2
