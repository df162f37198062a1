from __future__ import annotations

import os

import pytest

from serving.readiness import PATIENCE_SECONDS, Readiness, Together


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_drain_begins_once_and_is_over_when_its_seconds_are(clock: list[float]) -> None:
    readiness = Readiness(5)
    assert (readiness.ready, readiness.over) == (True, False)
    assert readiness.drain()
    assert (readiness.ready, readiness.over) == (False, False)
    assert not readiness.drain()
    clock[0] += 5
    assert readiness.over


def test_without_seconds_there_is_nothing_to_wait_for() -> None:
    readiness = Readiness(0)
    assert not readiness.drain()
    assert (readiness.ready, readiness.over) == (False, True)


def test_nobody_is_ready_before_all_listen() -> None:
    together = Together(2)
    first, second = Readiness(5, together), Readiness(5, together)
    first.begin(0)
    assert not first.ready
    second.begin(1)
    assert (first.ready, second.ready) == (True, True)


def test_one_that_does_not_begin_keeps_the_others_waiting_for_a_while(clock: list[float]) -> None:
    readiness = Readiness(5, Together(2))
    assert not readiness.ready
    readiness.begin(0)
    clock[0] += PATIENCE_SECONDS - 1
    assert not readiness.ready
    clock[0] += 1
    assert readiness.ready


def test_who_has_begun_is_known_across_a_fork() -> None:
    together = Together(1)
    child = os.fork()
    if child == 0:
        together.begin(0)
        os._exit(0)
    os.waitpid(child, 0)
    assert together.all
