from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from features.errors import SettingsError, StoreUnavailable
from homing.follow.positions import Positions
from homing.follow.stream import Message
from tests.followed import Taken, running, sse, taken, wait_for
from tests.followed_sse import Feed
from tests.unit.homing.follow.opened import Opened

BROKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"ann@example.com\r\n"
)


def numbers(*found: int) -> list[str]:
    return [f"n{number}" for number in found]


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


def test_ids_that_come_alone_move_the_place(feed: Feed, tmp_path: Path) -> None:
    feed.events, feed.each = [b"id: 0\n\n", b"id: 1\n\n", sse(2)], 2
    assert taken(Opened(feed, tmp_path).stream, 1).numbers() == numbers(2)
    assert [one.get("last-event-id") for one in feed.asked] == [None, "1"]


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


def test_what_can_not_be_asked_ends_it_and_shows_no_secret(feed: Feed, tmp_path: Path) -> None:
    refused = Opened(feed, tmp_path, headers={"X Shop": "{TOKEN}"})
    nowhere = Opened(feed, tmp_path)
    nowhere.stream._asked = nowhere.stream._asked._replace(url="http://hush@[::1/")
    for opened in (refused, nowhere):
        with pytest.raises(SettingsError, match=r"mend sse.url and sse.headers") as caught:
            opened.stream.run(Taken(1), threading.Event())
        assert "hush" not in str(caught.value)


def test_a_quiet_feed_that_closes_now_and_then_is_not_left_alone_longer(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    take = Taken(1)

    def noted(attempt: int, _: float | None) -> float:
        asked.append(attempt)
        if len(asked) == 3:
            take.stop.set()
        return 0.0

    monkeypatch.setattr("homing.follow.connecting.seconds_to_wait", noted)
    monkeypatch.setattr("homing.follow.connecting.STEADY_SECONDS", 0.0)
    feed.each = 0
    Opened(feed, tmp_path).stream.run(take, take.stop)
    assert asked == [1, 1, 1]


def test_what_breaks_the_protocol_is_told_without_what_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        feed = Feed()
        feed.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        opened = Opened(feed, tmp_path)
        with running(opened.stream) as take:
            held, _ = listening.accept()
            with held:
                held.recv(9_999)
                held.sendall(BROKEN)
                wait_for(lambda: opened.lost > 0)
                take.stop.set()
    shown = capsys.readouterr().out
    assert "RemoteProtocolError" in shown
    assert "ann" not in shown


def test_a_feed_that_is_silent_is_connected_again(feed: Feed, tmp_path: Path) -> None:
    opened = Opened(feed, tmp_path, silence=0.1)
    with running(opened.stream):
        wait_for(lambda: opened.lost > 1)
    assert feed.asked[1]["last-event-id"] == "5"


def test_it_stops_within_a_second_while_the_feed_is_silent(feed: Feed, tmp_path: Path) -> None:
    with running(Opened(feed, tmp_path).stream) as take:
        wait_for(lambda: len(take.messages) == 6)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1


def test_where_nobody_listens_it_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    feed = Feed()
    feed.url = "http://127.0.0.1:9/"
    opened = Opened(feed, tmp_path)
    with running(opened.stream):
        wait_for(lambda: opened.lost > 2)


def test_it_stops_at_once_while_it_waits_to_connect_again(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.follow.connecting.seconds_to_wait", lambda *_: 10.0)
    feed.answers = [(503, {})]
    opened = Opened(feed, tmp_path)
    with running(opened.stream):
        wait_for(lambda: opened.lost > 0)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
