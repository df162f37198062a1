from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from features.clock import SystemClock
from features.errors import SettingsError
from homing.follow.connecting import Around
from homing.follow.declared import Auth, Sse
from homing.follow.positions import Positions
from homing.follow.sse import SseStream
from homing.follow.stream import Message
from tests.followed import Taken, sse, taken, told, wait_for
from tests.followed_sse import Feed
from tests.unit.homing.follow.opened import Opened


def test_messages_come_in_order_with_name_and_place(feed: Feed, tmp_path: Path) -> None:
    feed.events = [sse(0), sse(1, "order"), b"data: one\ndata: two\n\n"]
    [first, second, third] = taken(Opened(feed, tmp_path).stream, 3).messages
    assert first == Message("0", "message", json.dumps(told(0)).encode())
    assert (second.position, second.kind) == ("1", "order")
    assert third == Message("1", "message", b"one\ntwo")


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
    assert feed.asked[0]["accept-encoding"] == "identity"


def test_a_variable_that_no_header_can_have_is_told_without_its_value(tmp_path: Path) -> None:
    sse = Sse(url="http://localhost", auth=Auth(type="bearer"))
    with pytest.raises(SettingsError, match="header Authorization has signs") as caught:
        SseStream(sse, Around(lambda _: "hu\nsh", tmp_path, SystemClock(), lambda: None))
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
    assert Positions(tmp_path).position == "0"


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
