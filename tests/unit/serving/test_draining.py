from __future__ import annotations

import pytest

from serving.draining import Drain


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_it_begins_once_and_is_over_when_its_seconds_are(clock: list[float]) -> None:
    drain = Drain(5)
    assert (drain.draining, drain.over) == (False, False)
    assert drain.begin()
    assert (drain.draining, drain.over) == (True, False)
    assert not drain.begin()
    clock[0] += 5
    assert drain.over


def test_without_seconds_there_is_nothing_to_wait_for(clock: list[float]) -> None:
    drain = Drain(0)
    assert clock
    assert not drain.begin()
    assert (drain.draining, drain.over) == (True, True)
