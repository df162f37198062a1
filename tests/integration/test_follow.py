"""`homing follow` from end to end: a feed into the lake, killed, refused, and its letters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.clock import SystemClock
from features.errors import AlreadyRunning, SettingsError
from features.ingest import Ingest
from features.lake import Lake
from features.stores.opening import open_log, open_stores
from homing.follow.command import follow
from homing.follow.settings import FollowSettings
from homing.follow.tally import FollowReport
from tests.followed import EVENT, content_of, sse, told, wait_for
from tests.followed_sse import Feed, sse_server
from tests.pulled import events
from tests.services import free_port
from tests.shop import SECRET
from tests.unit.homing.test_cli import run

pytest.importorskip("httpx_sse", reason="httpx-sse is not installed: pip install 'homing[sync]'")

FILE = """
name = "shop"
[sse]
url = "{url}"
auth = {{ type = "bearer" }}
"""


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    (tmp_path / "feeds").mkdir()
    (tmp_path / "token").write_text("hush-hush\n")
    monkeypatch.setenv("HOMING_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMING_SECRET", SECRET)
    monkeypatch.setenv("HOMING_FOLLOWS_FOLDER", str(tmp_path / "feeds"))
    monkeypatch.setenv("HOMING_FOLLOW_SHOP_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    # What tests share writes logs to standard output, before the answer.
    monkeypatch.setattr("homing.cli.configure_logs", lambda _: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with sse_server(Feed([sse(number) for number in range(40)])) as served:
        served.ends, served.each = True, 25
        text = FILE.format(url=served.url) + EVENT
        (tmp_path / "feeds" / "shop.toml").write_text(text)
        yield served
    for number, handler in before.items():
        signal.signal(number, handler)


def answer(written: str) -> dict[str, Any]:
    """The one object that a command wrote, after what it logged."""
    found: dict[str, Any] = json.loads(written.splitlines()[-1])
    return found


def ingested(home: Path) -> list[str]:
    """The ids of the lake's events, once the loop has moved what is in the log."""
    log = open_log(f"sqlite:///{home / 'events.db'}")
    stores = open_stores(f"sqlite:///{home / 'profiles.db'}")
    ingest = Ingest(log, stores.profiles, Lake(str(home / "lake")), SystemClock())
    while ingest.fold_once() + ingest.merge_once():
        ingest.trim()
    log.close()
    stores.close()
    return [one["id"] for one in events(home)]


def all_of(feed: Feed) -> list[str]:
    return sorted(f"shop:n{number}" for number in range(len(feed.events)))


def test_what_a_feed_tells_is_in_the_lake_once_and_names_nobody(
    feed: Feed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "follow", "shop", "--json") == 0
    written = capfd.readouterr()
    assert answer(written.out) == {
        "name": "shop",
        "messages": 40,
        "events": 40,
        "left_out": 0,
        "letters": 0,
        "lost": 2,
    }
    assert ingested(tmp_path / "home") == all_of(feed)
    assert [one["authorization"] for one in feed.asked] == ["Bearer hush-hush"] * 3
    kept = content_of(tmp_path / "home") + written.err.encode() + written.out.encode()
    assert b"@example.com" not in kept
    assert b"hush-hush" not in kept
    # Another run has nothing to take, and says so.
    assert run(monkeypatch, "follow", "shop") == 0
    assert "0 messages: 0 events, 0 left out, 0 dead letters" in capfd.readouterr().out


def test_letters_of_a_feed_are_shown_repaired_and_sent(
    feed: Feed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def replayed(*words: str) -> dict[str, Any]:
        assert run(monkeypatch, "replay", *words, "--json") == 0
        return answer(capfd.readouterr().out)

    wrong = json.dumps({**told(1), "sku": "", "article": "s1"})
    feed.events = [sse(0), f"id: 1\ndata: {wrong}\n\n".encode(), b"id: 2\ndata: \xff{ann}\n\n"]
    assert run(monkeypatch, "follow", "shop", "--json") == 0
    written = capfd.readouterr()
    assert answer(written.out)["letters"] == 2
    assert "ann" not in written.err + written.out
    waiting = replayed("--source", "follow:shop")["waiting"]
    assert [one["reason"] for one in waiting] == [
        "item: a view needs an item; send the item's id",
        "not JSON; send JSON in UTF-8",
    ]
    mend = tmp_path / "mend.toml"
    mend.write_text('[set]\nsku = "article"\n')
    sent = replayed("--id", str(waiting[0]["id"]), "--repair", str(mend), "--send")
    assert sent == {"waiting": [], "sent": 1, "dropped": 0}
    assert ingested(tmp_path / "home") == ["shop:n0", "shop:n1"]
    monkeypatch.delenv("HOMING_FOLLOWS_FOLDER")
    [left] = replayed()["waiting"]
    assert "HOMING_FOLLOWS_FOLDER has its file" in left["reason"]


def started(home: Path) -> subprocess.Popen[bytes]:
    """`homing follow` in a process of its own."""
    command = [sys.executable, "-m", "homing", "follow", "shop", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=home.parent)  # noqa: S603 - ours


def place(home: Path) -> int:
    """Where a feed goes on."""
    try:
        kept = json.loads((home / "follow/shop/position.json").read_bytes())
    except FileNotFoundError:
        return -1
    return int(kept["position"])


def test_who_is_killed_or_stopped_goes_on_and_nothing_is_lost_or_doubled(
    feed: Feed, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    feed.events = [sse(number) for number in range(400)]
    feed.each, feed.pause = None, 0.002
    process = started(home)
    wait_for(lambda: place(home) > 50, 30)
    process.kill()
    process.communicate()
    process, killed = started(home), place(home)
    wait_for(lambda: place(home) > killed + 50, 30)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    # The stream ends within a second; Python, on a busy machine, takes longer.
    assert time.monotonic() - begun < 5
    assert process.returncode == 0
    assert 0 < json.loads(out)["messages"] < 400
    feed.open = False
    [last] = followed().reports
    places = [int(one.get("last-event-id", -1)) for one in feed.asked]
    assert (places[0], places[1], places[-1]) == (-1, killed, 399)
    assert killed + 50 < places[2] < 399
    assert last.messages == 399 - places[2]
    assert ingested(home) == all_of(feed)


class Following:
    """A feed that is followed in a thread."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - of FollowSettings
        self.stop = threading.Event()
        self.reports: list[FollowReport] = []
        self._settings = FollowSettings(**settings)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Following:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def _run(self) -> None:
        found = follow(self._settings, "shop", os.environ, SystemClock(), self.stop)
        self.reports.append(found)


def followed() -> Following:
    """A feed that was followed to its end."""
    following = Following()
    with following:
        wait_for(lambda: bool(following.reports))
    return following


def test_a_full_log_makes_the_feed_wait_and_takes_the_rest_later(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.follow.taking.LONGEST_PAUSE", 0.1)
    home = tmp_path / "home"
    home.mkdir()
    feed.pause = 0.005
    url = f"sqlite:///{home / 'events.db'}"
    with Following(log_max_depth=30) as following:
        wait_for(lambda: len(feed.asked) == 2)
        time.sleep(0.4)
        assert not following.reports
        log = open_log(url)
        assert 25 <= len(log.take("lake", 99)) <= 30
        log.close()
        wait_for(lambda: len(ingested(home)) == 40 or bool(following.reports))
        wait_for(lambda: bool(following.reports))
    assert following.reports[0].events == 40
    assert ingested(home) == all_of(feed)


def test_it_answers_prometheus_and_is_alone(feed: Feed) -> None:
    feed.each, port = None, free_port()
    with Following(follow_port=port) as following:
        wait_for(lambda: bool(feed.asked))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            assert b'homing_follow_messages_total{feed="shop"}' in page.read()
        settings = FollowSettings(follow_port=port)
        with pytest.raises(AlreadyRunning, match="following shop has to wait"):
            follow(settings, "shop", os.environ, SystemClock(), following.stop)


def test_a_feed_that_refuses_us_ends_it_with_one_line(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    feed.answers = [(401, {})]
    assert run(monkeypatch, "follow", "shop") == 1
    assert "homing: the feed answers 401: see to sse.url" in capfd.readouterr().err
    with pytest.raises(SettingsError, match="HOMING_FOLLOW_SHOP_TOKEN is not set"):
        follow(FollowSettings(), "shop", {}, SystemClock(), threading.Event())
