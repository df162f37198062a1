"""One server of server-sent events for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.followed import sse
from tests.followed_sse import Feed, sse_server


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
