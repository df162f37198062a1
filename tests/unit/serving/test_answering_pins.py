"""Reading and pinning fail apart, and one answer shows nothing that another of its mail will."""

from __future__ import annotations

import asyncio
import time

from features.errors import StoreUnavailable
from features.stores.ports import Asked, Seen
from serving.slate import Ask, Reason, Rung, Slate
from tests.unit.serving.kit import ANNA, Kit, ask, ask_many, ids, metric


def test_pins_that_cannot_be_written_for_long_cost_nobody_the_model(ready: Kit) -> None:
    def refuse_pinning() -> None:
        message = "the disk is full"
        raise StoreUnavailable(message)

    ready.pins.fault = refuse_pinning
    slates = [ask(ready, send=f"send-{number}") for number in range(8)]
    assert {slate.served_by for slate in slates} == {Rung.MODEL}
    assert metric(ready, "homing_dependency_errors_total", dependency="pins") >= 3
    assert not metric(ready, "homing_dependency_errors_total", dependency="store")
    ready.pins.fault = None
    deadline = time.monotonic() + 5
    while not ready.pins.of_send(ANNA, "send-7"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    again = ask(ready, send="afterwards")
    assert set(ready.pins.of_send(ANNA, "afterwards")) >= {"hero"}
    assert again.served_by is Rung.MODEL


def test_an_early_answer_shows_nothing_that_another_block_of_its_send_will(hasty: Kit) -> None:
    async def both(send: str) -> tuple[Slate, Slate]:
        first = asyncio.ensure_future(
            hasty.service.recommend(Ask(customer=ANNA, block="hero", send=send))
        )
        await asyncio.sleep(0.03)
        for _ in range(3):
            hasty.parts.breaker.failed()
        second = await hasty.service.recommend(Ask(customer=ANNA, block="second", send=send))
        return await first, second

    with hasty.hanging():
        hero, second = asyncio.run(both("monday"))
    assert not set(ids(hero)) & set(ids(second))
    assert (hero.reason, second.reason) == (Reason.STORE, Reason.STORE)


def test_pins_that_cannot_be_read_cost_nobody_the_model(ready: Kit) -> None:
    first, look = ask(ready), ready.lookup.inner.look  # type: ignore[attr-defined]

    def unpinned(asked: list[Asked]) -> list[Seen]:
        return [seen._replace(pins=None) for seen in look(asked)]

    ready.lookup.inner.look = unpinned  # type: ignore[attr-defined]
    assert ask(ready, send="tuesday").served_by is Rung.MODEL
    assert ask(ready) == first
    assert metric(ready, "homing_dependency_errors_total", dependency="pins") == 1


def test_a_batch_whose_pins_burst_is_answered_all_the_same(ready: Kit) -> None:
    def burst() -> None:
        raise ZeroDivisionError

    ready.pins.fault = lambda: burst() if ready.pins.calls[-2:] == ["pin_many"] * 2 else None
    (slate,) = ask_many(ready, [Ask(customer=ANNA, block="hero", send="monday")])
    assert (slate.served_by, slate.count) == (Rung.MODEL, 2)
    assert metric(ready, "homing_internal_errors_total") == 1
