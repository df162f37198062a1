"""Connections that templates came on are kept for the next, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.web.straight import Straight
from tests.integration.straight import Client, Served, served, wait_for
from tests.integration.web import Web

ANNA = "customer=anna&block=hero"
KEPT = 0.8
"""Seconds that a connection is kept."""


@pytest.fixture
def scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    web = Web(tmp_path)
    web.kit.stock()
    with served(web, monkeypatch) as serving:
        serving.server.config.timeout_keep_alive = KEPT  # type: ignore[assignment]  # whole ones
        yield serving
    web.kit.service.stop()


def closes_after(client: Client) -> float:
    """Seconds until the connection is closed."""
    began = time.monotonic()
    assert client.closed()
    return time.monotonic() - began


def test_a_connection_that_nothing_comes_on_is_closed_in_time(scorer: Served) -> None:
    client = scorer.client()
    assert client.ask(client.fetch(ANNA)).status == 200
    assert KEPT / 2 < closes_after(client) < 3 * KEPT
    assert scorer.by_asgi == []


def test_time_counts_from_the_last_answer(scorer: Served) -> None:
    client = scorer.client()
    until = time.monotonic() + 3 * KEPT
    while time.monotonic() < until:
        assert client.ask(client.fetch(ANNA)).status == 200
        time.sleep(KEPT / 4)
    assert KEPT / 2 < closes_after(client) < 3 * KEPT


def test_it_counts_from_the_last_answer_of_any_kind(scorer: Served) -> None:
    client = scorer.client()
    assert client.ask(client.fetch(ANNA)).status == 200
    time.sleep(KEPT * 3 / 4)
    assert client.ask(client.request("GET /healthz HTTP/1.1")).status == 200
    assert KEPT / 2 < closes_after(client) < 3 * KEPT


def test_who_is_asking_is_not_hung_up_on(scorer: Served) -> None:
    client = scorer.client()
    request = client.fetch(ANNA)
    assert client.ask(request).status == 200
    client.send(request[:20])
    time.sleep(2 * KEPT)
    assert client.ask(request[20:]).status == 200
    assert KEPT / 2 < closes_after(client) < 3 * KEPT


def test_who_went_away_is_not_looked_after_any_more(
    scorer: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Straight] = []

    def look(connection: Straight) -> None:
        looked.append(connection)

    monkeypatch.setattr(Straight, "_look", look)
    away, stays = scorer.client(), scorer.client()
    for client in (away, stays):
        assert client.ask(client.fetch(ANNA)).status == 200
    away.break_off()
    wait_for(lambda: len(looked) == 1)
    time.sleep(KEPT / 2)
    assert len(looked) == scorer.connections() == 1
