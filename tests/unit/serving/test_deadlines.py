from __future__ import annotations

import asyncio
import time

from serving.deadlines import TICK_SECONDS, Deadlines


def test_each_whose_time_is_over_is_called_for_once_and_in_time() -> None:
    called: dict[str, float] = {}

    def over(name: str) -> None:
        assert name not in called
        called[name] = time.monotonic()

    async def keep() -> dict[str, float]:
        deadlines, now = Deadlines(over), time.monotonic()
        due = {"soon": now + 0.02, "late": now + 0.06, "past": now - 1.0, "done": now + 0.02}
        for name, until in due.items():
            deadlines.add(name, until)
        deadlines.done("done", due["done"])
        deadlines.done("never added", now)
        await asyncio.sleep(0.12)
        deadlines.done("soon", due["soon"])
        return due

    due = asyncio.run(keep())
    assert set(called) == {"soon", "late", "past"}
    for name in ("soon", "late"):
        # The upper bound is that of a busy machine, not of the ticks.
        assert 0 <= called[name] - due[name] < TICK_SECONDS + 0.05


def test_it_goes_on_after_a_pause_and_in_another_loop() -> None:
    called: list[int] = []
    deadlines = Deadlines(called.append)

    async def keep(*numbers: int) -> None:
        for number in numbers:
            deadlines.add(number, time.monotonic() + 0.01)
            await asyncio.sleep(0.04)

    asyncio.run(keep(1, 2))
    assert called == [1, 2]

    async def leave() -> None:
        deadlines.add(3, time.monotonic() + 0.01)

    asyncio.run(leave())
    asyncio.run(keep(4))
    assert called == [1, 2, 3, 4]
