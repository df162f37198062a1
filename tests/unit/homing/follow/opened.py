"""A stream of server-sent events, as a test opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.clock import SystemClock
from homing.follow.connecting import Around
from homing.follow.declared import Sse
from homing.follow.sse import SseStream
from tests.followed_sse import Feed


class Opened:
    """A stream of a feed, and how often its connection was lost."""

    def __init__(self, feed: Feed, folder: Path, **fields: Any) -> None:  # noqa: ANN401 - of Sse
        self.lost = 0
        values = {"TOKEN": "hush", "API_KEY": "hush", "USERNAME": "ann", "PASSWORD": "hush"}
        declared = Sse(url=feed.url, **fields)
        around = Around(values.__getitem__, folder, SystemClock(), self.lose)
        self.stream = SseStream(declared, around)

    def lose(self) -> None:
        self.lost += 1
