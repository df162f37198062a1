"""Who waits may go away, or be answered before the lanes are done: nobody else must notice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from serving.attempt import Attempt
from serving.slate import Ask, Choice, Pick, Rung, Slate
from serving.snapshot import Snapshot
from tests.unit.serving.kit import ANNA, BERT, HERO, ITEMS, NOW, Kit, ask

LATE = 0.4
"""Seconds: longer than the deadline of the service here, and not so long that it hurts."""


@contextmanager
def held(kit: Kit) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let looks at the store wait, and then give what is there: (somebody looks, let them)."""
    looking, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        looking.set()
        go_on.wait(5)

    kit.lookup.fault = wait
    try:
        yield looking, go_on
    finally:
        go_on.set()
        kit.lookup.fault = None


def test_who_goes_away_costs_no_other_of_his_group(ready: Kit) -> None:
    async def group() -> list[Slate]:
        asks = [asyncio.ensure_future(ready.service.recommend(Ask(customer=ANNA, block="hero")))]
        with held(ready) as (looking, go_on):
            await asyncio.to_thread(looking.wait, 5)
            # These come together behind the one that is being looked up.
            more = [Ask(customer=key, block="hero") for key in (BERT, ANNA, BERT, ANNA)]
            asks += [asyncio.ensure_future(ready.service.recommend(one)) for one in more]
            await asyncio.sleep(0.01)
            asks[1].cancel()
            go_on.set()
            began = time.monotonic()
            await asyncio.wait(asks, timeout=5)
        assert time.monotonic() - began < 1.0
        assert asks[1].cancelled()
        return [one.result() for number, one in enumerate(asks) if number != 1]

    slates = asyncio.run(group())
    assert [slate.customer for slate in slates] == [ANNA, ANNA, BERT, ANNA]
    assert {slate.reason for slate in slates if slate.customer == ANNA} == {None}


def test_what_comes_too_late_makes_no_room_a_second_time(hasty: Kit) -> None:
    answers = hasty.service._answers

    async def late() -> None:
        with held(hasty) as (_, go_on):
            await hasty.service.recommend(Ask(customer=ANNA, block="hero"))
            go_on.set()
            await asyncio.sleep(LATE / 4)

    asyncio.run(late())
    assert answers._asked == 0


def test_what_comes_when_nobody_waits_any_more_ends_no_thread(hasty: Kit) -> None:
    async def gone() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hasty.service.recommend(Ask(customer=ANNA, block="hero")), 0.02)

    # The loop is closed before the thread comes back to it: pytest fails where one ends badly.
    with held(hasty) as (_, go_on):
        asyncio.run(gone())
        go_on.set()
        time.sleep(LATE / 4)
    assert ask(hasty, send=None).reason is None


def test_a_body_that_cannot_be_put_together_costs_no_other_of_its_group(
    ready: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("serving.attempt.encode_slate", burst)
    began = time.monotonic()
    assert ask(ready, send=None).reason is None
    assert time.monotonic() - began < 1.0


def attempt_at(snapshot: Snapshot) -> Attempt:
    return Attempt(Ask(customer=ANNA, block="hero"), HERO, snapshot, NOW)


def choice_of(*items: str) -> Choice:
    return Choice("slate", Rung.MODEL, None, None, tuple(Pick(item) for item in items), at=1)


def shown(body: bytes) -> list[tuple[str, float]]:
    return [(item["id"], item["price"]) for item in msgspec.json.decode(body)["items"]]


def test_an_answer_is_of_the_choice_and_the_catalogue_that_it_is_made_of(ready: Kit) -> None:
    current = ready.parts.current
    attempt = attempt_at(current.snapshot)
    first, second = choice_of("apple", "bread", "cream"), choice_of("dates", "eggs")
    assert shown(attempt.encoded(first)) == [("apple", 1.0), ("bread", 2.0)]
    assert shown(attempt.encoded(second)) == [("dates", 4.0), ("eggs", 5.0)]
    assert attempt.encoded(second) is attempt.encoded(second)
    ready.stock(*(msgspec.structs.replace(item, price=9.0) for item in ITEMS))
    attempt.use(current.snapshot)
    assert shown(attempt.encoded(second)) == [("dates", 9.0), ("eggs", 9.0)]


def test_an_error_in_noting_one_answer_costs_no_other_of_its_group(
    ready: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []

    def note(rung: str, reason: str | None, made: str) -> None:  # noqa: ARG001 - as the metrics'
        noted.append(made)
        if len(noted) == 2:
            raise RuntimeError

    async def group() -> list[Slate]:
        with held(ready) as (looking, go_on):
            first = asyncio.ensure_future(ready.service.recommend(Ask(customer=ANNA, block="hero")))
            await asyncio.to_thread(looking.wait, 5)
            asks = [Ask(customer=key, block="hero") for key in (ANNA, BERT, ANNA)]
            more = [asyncio.ensure_future(ready.service.recommend(one)) for one in asks]
            await asyncio.sleep(0.01)
            monkeypatch.setattr(ready.parts.metrics, "note_answer", note)
            go_on.set()
            began = time.monotonic()
            _, *slates = await asyncio.wait_for(asyncio.gather(first, *more), 5)
        assert time.monotonic() - began < 1.0
        return slates

    before = counted(ready)
    assert [slate.customer for slate in asyncio.run(group())] == [ANNA, BERT, ANNA]
    assert len(noted) == 4
    assert counted(ready) == before + 1


def counted(kit: Kit) -> float:
    """Errors that nobody foresaw."""
    return kit.parts.metrics.registry.get_sample_value("homing_internal_errors_total") or 0.0
