"""A stream of server-sent events, as a test opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.clock import SystemClock
from homing.follow.declared import Sse
from homing.follow.positions import Positions
from homing.follow.sse import SseStream
from tests.followed_sse import Feed


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
