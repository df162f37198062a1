from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from features.clock import SystemClock
from features.errors import SettingsError, StoreUnavailable
from homing.follow.declared import Auth, Sse
from homing.follow.positions import Positions
from homing.follow.sse import SseStream
from homing.follow.stream import Message
from tests.followed import Feed, Taken, sse, sse_server, taken, told, wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[Feed]:
    with sse_server(Feed()) as feed:
        yield feed


@pytest.fixture
def feed(server: Feed, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    server.events, server.each, server.open = [sse(number) for number in range(6)], None, True
    server.answers, server.asked = [], []
    return server


class Opened:
    """A stream of a feed, and how often its connection was lost."""

    def __init__(self, feed: Feed, folder: Path, **fields: Any) -> None:  # noqa: ANN401 - of Sse
        self.lost = 0
        values = {"TOKEN": "hush", "API_KEY": "hush", "USERNAME": "ann", "PASSWORD": "hush"}
        declared = Sse(url=feed.url, **fields)
        self.positions = Positions(folder)
        self.stream = SseStream(
            declared, values.__getitem__, self.positions, SystemClock(), self.lose
        )

    def lose(self) -> None:
        self.lost += 1


def numbers(*found: int) -> list[str]:
    return [f"n{number}" for number in found]


def test_messages_come_in_order_with_name_and_place(feed: Feed, tmp_path: Path) -> None:
    feed.events = [sse(0), sse(1, "order"), b"data: one\ndata: two\n\n"]
    [first, second, third] = taken(Opened(feed, tmp_path).stream, 3).messages
    assert first == Message("0", "message", json.dumps(told(0)).encode())
    assert (second.position, second.kind) == ("1", "order")
    assert third == Message("1", "message", b"one\ntwo")


def test_a_lost_connection_goes_on_behind_what_was_taken(feed: Feed, tmp_path: Path) -> None:
    feed.each = 2
    opened = Opened(feed, tmp_path)
    assert taken(opened.stream, 6).numbers() == numbers(*range(6))
    assert [one.get("last-event-id") for one in feed.asked] == [None, "1", "3"]
    assert opened.lost == 2
    assert Positions(tmp_path).position == "5"


def test_a_batch_that_could_not_be_taken_comes_again(feed: Feed, tmp_path: Path) -> None:
    def refuse(_: Sequence[Message]) -> None:
        message = "the log is away"
        raise StoreUnavailable(message)

    with pytest.raises(StoreUnavailable, match="the log is away"):
        Opened(feed, tmp_path).stream.run(refuse, threading.Event())
    assert Positions(tmp_path).position == ""
    assert taken(Opened(feed, tmp_path).stream, 6).numbers() == numbers(*range(6))


def test_the_feed_ends_for_good_where_it_has_no_more_content(feed: Feed, tmp_path: Path) -> None:
    feed.answers = [(204, {})]
    opened = Opened(feed, tmp_path)
    opened.stream.run(Taken(1), threading.Event())
    assert (len(feed.asked), opened.lost) == (1, 0)


def test_it_waits_as_long_as_it_is_asked_to(feed: Feed, tmp_path: Path) -> None:
    feed.answers = [(503, {"Retry-After": "0"}), (429, {"Retry-After": "1"})]
    begun = time.monotonic()
    assert taken(Opened(feed, tmp_path).stream, 6).numbers() == numbers(*range(6))
    assert 1 <= time.monotonic() - begun < 3


def test_it_waits_as_long_as_the_feed_said_before(feed: Feed, tmp_path: Path) -> None:
    feed.events[0] = b"retry: 400\n" + sse(0)
    feed.each, begun = 4, time.monotonic()
    assert len(taken(Opened(feed, tmp_path).stream, 6).messages) == 6
    assert 0.4 <= time.monotonic() - begun < 3


def test_each_loss_with_nothing_between_makes_it_wait_longer(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float | None]] = []

    def noted(attempt: int, after: float | None) -> float:
        asked.append((attempt, after))
        return 0.0

    monkeypatch.setattr("homing.follow.connecting.seconds_to_wait", noted)
    feed.answers = [(503, {}), (503, {"Retry-After": "7"})]
    feed.each = 3
    taken(Opened(feed, tmp_path).stream, 6)
    assert asked == [(1, None), (2, 7.0), (1, None)]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {}), "answers 401: see to sse.url and to the variables"),
        ((302, {"Location": "http://127.0.0.1:1/"}), "answers 302"),
        ((200, {"Content-Type": "text/html"}), "answers no text/event-stream"),
        (
            (200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}),
            "answers compressed",
        ),
    ],
)
def test_what_will_not_pass_ends_it_with_the_cure(
    feed: Feed, tmp_path: Path, answer: tuple[int, dict[str, str]], said: str
) -> None:
    feed.answers = [answer]
    with pytest.raises(SettingsError, match=said):
        Opened(feed, tmp_path).stream.run(Taken(1), threading.Event())


def test_an_address_that_is_none_ends_it(tmp_path: Path) -> None:
    opened = Opened(Feed(), tmp_path)
    opened.stream._asked = opened.stream._asked._replace(url="http://[::1/")
    with pytest.raises(SettingsError, match=r"can't be used.*mend sse.url"):
        opened.stream.run(Taken(1), threading.Event())


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (Auth(type="bearer"), "authorization", "Bearer hush"),
        (Auth(type="basic"), "authorization", "Basic YW5uOmh1c2g="),
        (Auth(type="api_key", name="X-Key"), "x-key", "hush"),
        (Auth(type="api_key", name="key", location="query"), "key", "hush"),
        (None, "x-shop", "hush"),
    ],
)
def test_it_says_who_we_are(
    feed: Feed, tmp_path: Path, auth: Auth | None, header: str, value: str
) -> None:
    taken(Opened(feed, tmp_path, auth=auth, headers={"X-Shop": "{TOKEN}"}).stream, 1)
    assert feed.asked[0][header] == value
    assert feed.asked[0]["accept"] == "text/event-stream"


def test_a_variable_that_no_header_can_have_is_told_without_its_value(tmp_path: Path) -> None:
    sse = Sse(url="http://localhost", auth=Auth(type="bearer"))
    with pytest.raises(SettingsError, match="header Authorization has signs") as caught:
        SseStream(sse, lambda _: "hu\nsh", Positions(tmp_path), SystemClock(), lambda: None)
    assert "sh" not in str(caught.value).replace("has", "")


def test_a_message_that_is_too_long_is_cut_and_the_next_is_taken(
    feed: Feed, tmp_path: Path
) -> None:
    feed.events = [sse(0), b"data: " + b"x" * 900_000 + b"\n\n", sse(2)]
    opened = Opened(feed, tmp_path, most_bytes=1_000)
    [first, second, third] = taken(opened.stream, 3).messages
    assert (first.position, third.position) == ("0", "2")
    assert second.body == b"data: " + b"x" * 994
    assert "longer than 1,000 bytes" in second.trouble


def test_in_an_envelope_a_message_has_its_name_and_its_id(feed: Feed, tmp_path: Path) -> None:
    feed.events = [b'event: seen\nid: 7\ndata: {"a": 1.50}\n\n', b"data: no JSON\n\n"]
    first, second = taken(Opened(feed, tmp_path, envelope=True).stream, 2).messages
    assert first.body == b'{"event":"seen","id":"7","data":{"a": 1.50}}'
    assert json.loads(second.body) == {"event": "message", "id": "7", "data": "no JSON"}


def test_an_id_that_no_header_can_have_is_no_place(feed: Feed, tmp_path: Path) -> None:
    feed.events = [sse(0), b"id: \x01\ndata: 1\n\n", b"id: " + b"9" * 2_000 + b"\n\n"]
    opened = Opened(feed, tmp_path)
    taken(opened.stream, 2)
    assert opened.positions.position == "0"


def test_a_feed_that_is_silent_is_connected_again(feed: Feed, tmp_path: Path) -> None:
    opened = Opened(feed, tmp_path, silence=0.1)
    stop = threading.Event()
    thread = threading.Thread(target=opened.stream.run, args=(Taken(99), stop))
    thread.start()
    wait_for(lambda: opened.lost > 1)
    stop.set()
    thread.join()
    assert feed.asked[1]["last-event-id"] == "5"


def test_it_stops_within_a_second_while_the_feed_is_silent(feed: Feed, tmp_path: Path) -> None:
    take = Taken(99)
    thread = threading.Thread(target=Opened(feed, tmp_path).stream.run, args=(take, take.stop))
    thread.start()
    wait_for(lambda: len(take.messages) == 6)
    begun = time.monotonic()
    take.stop.set()
    thread.join()
    assert time.monotonic() - begun < 1


def test_where_nobody_listens_it_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    feed = Feed()
    feed.url = "http://127.0.0.1:9/"
    opened = Opened(feed, tmp_path)
    stop = threading.Event()
    thread = threading.Thread(target=opened.stream.run, args=(Taken(1), stop))
    thread.start()
    wait_for(lambda: opened.lost > 2)
    stop.set()
    thread.join()


def test_what_is_not_read_waits_with_the_feed(feed: Feed, tmp_path: Path) -> None:
    """While a batch is kept nothing more is read: the sender's buffer fills."""
    go_on = threading.Event()
    feed.events = [b"data: " + b"x" * 60_000 + b"\n\n"] * 300
    take = Taken(999)

    def slow(messages: Sequence[Message]) -> None:
        go_on.wait(10)
        take(messages)

    thread = threading.Thread(target=Opened(feed, tmp_path).stream.run, args=(slow, take.stop))
    thread.start()
    wait_for(lambda: feed.sent > 1)
    time.sleep(0.3)
    held = feed.sent
    time.sleep(0.2)
    assert feed.sent == held < 250
    go_on.set()
    wait_for(lambda: len(take.messages) == 300)
    take.stop.set()
    thread.join()
    assert max(len(batch) for batch in take.batches) < 10
