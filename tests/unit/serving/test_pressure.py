"""More is asked than can be answered: the rung is lowered first, and only then is one refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.errors import Overloaded
from serving import making
from serving.fallback import Question, rank
from serving.lanes import Lane
from serving.slate import Ask, Reason, Rung, Slate
from serving.snapshot import Snapshot
from tests.unit.serving.kit import ANNA, BERT, HERO, Kit, make_kit, slates


def customer(number: int) -> str:
    return f"ck_{number:032x}"


def filled(home: Path, deadline_ms: int) -> Kit:
    """A service with few threads and customers whose slates were published."""
    made = make_kit(home, deadline_ms=deadline_ms, threads=4, max_concurrent=60)
    made.stock()
    made.promote("1")
    for number in range(60):
        made.know(customer(number), "bread", published=slates(hero=("flour", "eggs", "dates")))
    return made


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """A service with little time."""
    made = filled(tmp_path, 400)
    yield made
    made.service.stop()


async def together(kit: Kit, *asks: Ask) -> list[Slate | BaseException]:
    return await asyncio.gather(
        *(kit.service.recommend(one) for one in asks), return_exceptions=True
    )


def test_who_would_wait_for_the_model_too_long_gets_what_was_published(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(snapshot: Snapshot, questions: list[Question]) -> object:
        time.sleep(0.02 * len(questions))
        return rank(snapshot, questions)

    monkeypatch.setattr(making, "rank", slow)
    waves = []
    for _ in range(3):
        asks = [Ask(customer=customer(number), block="hero") for number in range(40)]
        began = time.monotonic()
        waves.append(asyncio.run(together(kit, *asks)))
        assert time.monotonic() - began < 0.6
    answered = [slate for wave in waves for slate in wave if isinstance(slate, Slate)]
    assert len(answered) == 120
    assert all(slate.count == HERO.size for slate in answered)
    told = {(slate.served_by, slate.reason) for slate in answered}
    assert (Rung.MODEL, None) in told
    assert (Rung.PROFILE, Reason.BUSY) in told
    assert {rung for rung, _ in told} <= {Rung.MODEL, Rung.PROFILE}


def test_a_lowered_answer_is_pinned_for_every_process(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queue(lane: Lane[object], more: int = 0) -> float:
        return 9.0 + more if lane.name == "rank" else 0.0

    monkeypatch.setattr(Lane, "wait", queue)
    asked = Ask(customer=customer(1), block="hero", send="monday")
    first = asyncio.run(kit.service.recommend(asked))
    assert first.reason is Reason.BUSY
    assert "hero" in kit.pins.of_send(customer(1), "monday")
    assert asyncio.run(kit.service.recommend(asked)) == first


def test_past_so_many_at_once_one_is_told_to_come_back(kit: Kit) -> None:
    asks = [Ask(customer=customer(number), block="hero") for number in range(70)]
    answers = asyncio.run(together(kit, *asks))
    refused = [one for one in answers if isinstance(one, BaseException)]
    assert len(refused) == 10
    assert all(isinstance(one, Overloaded) for one in refused)
    assert not [
        one for one in asyncio.run(together(kit, *asks[:60])) if isinstance(one, BaseException)
    ]


@pytest.mark.parametrize(("asked", "at_most"), [(50, 0.25), (10_000, 1.0), (None, 1.0)])
def test_a_template_may_ask_for_an_answer_sooner_than_the_setting_says(
    kit: Kit, asked: int | None, at_most: float
) -> None:
    with kit.hanging():
        began = time.monotonic()
        question = Ask(customer=customer(1), block="hero", deadline_ms=asked)
        slate = asyncio.run(kit.service.recommend(question))
        taken = time.monotonic() - began
    assert (slate.served_by, slate.reason) == (Rung.POPULAR, Reason.DEADLINE)
    assert taken < at_most
    assert asked == 50 or taken > 0.3


def test_one_customer_who_makes_it_burst_hurts_no_other(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = threading.Event(), threading.Event()

    def bursting(snapshot: Snapshot, questions: list[Question]) -> object:
        started.set()
        go_on.wait(5)
        if any("dates" in one.history.bought for one in questions):
            raise ZeroDivisionError
        return rank(snapshot, questions)

    kit.know(BERT, "dates")
    kit.know(ANNA, "bread")
    monkeypatch.setattr(making, "rank", bursting)

    async def burst() -> list[Slate]:
        first = asyncio.ensure_future(
            kit.service.recommend(Ask(customer=customer(0), block="hero"))
        )
        await asyncio.to_thread(started.wait, 5)
        rest = [
            asyncio.ensure_future(kit.service.recommend(Ask(customer=who, block="hero")))
            for who in (ANNA, BERT, customer(1))
        ]
        await asyncio.sleep(0.05)
        go_on.set()
        return await asyncio.gather(first, *rest)

    told = [slate.reason for slate in asyncio.run(burst())]
    assert told == [None, None, Reason.FAILED, None]


def test_a_slow_store_is_asked_by_all_who_wait_together(tmp_path: Path) -> None:
    kit = filled(tmp_path, 5_000)
    kit.fail(lambda: time.sleep(0.05))
    asks = [Ask(customer=customer(number), block="hero") for number in range(50)]
    before = len(kit.lookup.calls)
    answers = asyncio.run(together(kit, *asks))
    assert {one.served_by for one in answers if isinstance(one, Slate)} == {Rung.MODEL}
    assert len(kit.lookup.calls) - before <= 5
    kit.service.stop()
