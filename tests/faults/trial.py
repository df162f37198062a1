"""A load on a scorer before, under and after a fault, with every answer judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from tests.faults.client import Client, paced
from tests.faults.machine import Watch, noise
from tests.faults.mix import Mix
from tests.faults.stack import DEADLINE_MS, Stack
from tests.faults.tally import Tally

MODEL = frozenset({"model"})
FALLEN = frozenset({"popular"})
EITHER = MODEL | FALLEN
RECOVERY = 2.0
"""Seconds after a fault within which answers must be the model's again."""

Breaks = Callable[[Stack], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Trial:
    """One fault.

    Attributes:
        name: In the table.
        breaks: Brings the fault, and ends it.
        rungs: What may answer known customers while it lasts.
        settle: Seconds from its beginning until that is judged.
        cold: Whether the scorer is another process from then on, so that nothing is asked before.
        owned_up: What may be wrong, as docs/reliability.md says; it is told all the same.
    """

    name: str
    breaks: Breaks
    rungs: frozenset[str] = MODEL
    settle: float = 1.0
    cold: bool = False
    owned_up: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pace:
    """How hard a trial is.

    Attributes:
        rate: Fetches in a second.
        fetches: Under the fault.
        before: Fetches before it.
        own_deadline_ms: Of some fetches; None for none.
    """

    rate: float
    fetches: int
    before: int = 100
    own_deadline_ms: int | None = None


@dataclass(frozen=True)
class Row:
    """What came of a trial.

    Attributes:
        trial: Which.
        tally: What was judged.
        wrong: What was wrong → how often: as the tally has it, and `late` for answers whose
            lateness is longer than the machine kept us waiting meanwhile.
        holds: Whether nothing was wrong but what is owned up to.
        recovery: Seconds from the fault's end to the last answer that was not the model's.
        threads: The most that the scorer had.
        memory: Bytes that it had in the end.
        waited: Seconds that the scorer, or we, waited for a core at worst within a tenth of one.
        noise: Seconds that an idle process woke late, at worst.
    """

    trial: str
    tally: Tally
    wrong: Mapping[str, int]
    holds: bool
    recovery: float
    threads: int
    memory: int
    waited: float
    noise: float

    def latency(self, share: float) -> float:
        """The seconds within which this share of all answers came."""
        seconds = sorted(self.tally.seconds)
        return seconds[int(share * (len(seconds) - 1))]


@dataclass
class Load:
    """Fetches of one series at one scorer.

    Attributes:
        stack: The scorer.
        mix: The series.
        tally: Judges.
        rate: Fetches in a second.
        lower: When the last fetch of a known customer began whose answer was not the model's.
    """

    stack: Stack
    mix: Mix
    rate: float
    tally: Tally = field(default_factory=lambda: Tally(DEADLINE_MS / 1_000))
    lower: float = 0.0
    _client: Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = Client(self.stack.port, self.stack.token)

    async def run(self, fetches: int) -> None:
        """That many."""
        await paced(self._one, rate=self.rate, fetches=fetches)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    async def _one(self) -> None:
        asked, allowed, began = self.mix.draw(), self.tally.allowed, time.monotonic()
        answer = await self._client.fetch(asked)
        rung = self.tally.see(asked, allowed, answer)
        fresh = asked.known and asked.first and asked.deadline_ms is None
        if fresh and rung not in MODEL:
            self.lower = max(self.lower, began)


async def run_trial(stack: Stack, trial: Trial, pace: Pace) -> Row:
    """Load the scorer before, under and after the fault."""
    load = Load(
        stack, Mix(len(trial.name), trial.name.replace(" ", "-"), pace.own_deadline_ms), pace.rate
    )
    with noise() as heard, Watch(stack.scorer) as watch:
        load.tally.allowed = MODEL
        await load.run(0 if trial.cold else pace.before)
        load.tally.allowed = None
        async with trial.breaks(stack):
            settling = asyncio.get_running_loop().call_later(
                trial.settle, _judge, load.tally, trial.rungs
            )
            await load.run(pace.fetches)
            settling.cancel()
            load.tally.allowed = None
        recovery = await _recover(load)
    load.close()
    wrong = dict(load.tally.wrong)
    late = [one for one in load.tally.late if one.seconds > watch.waited(one.began, one.ended)]
    if late:
        wrong["late"] = len(late)
    return Row(
        trial=trial.name,
        tally=load.tally,
        wrong=wrong,
        holds=trial.owned_up.issuperset(wrong),
        recovery=recovery,
        threads=watch.threads,
        memory=watch.memory,
        waited=watch.worst,
        noise=heard[0],
    )


def _judge(tally: Tally, rungs: frozenset[str]) -> None:
    tally.allowed = rungs


async def _recover(load: Load) -> float:
    """Go on until answers are the model's again; the seconds that took."""
    ended = load.lower = time.monotonic()
    while True:
        before = load.lower
        await load.run(max(20, int(load.rate / 5)))
        spent = load.lower - ended
        if load.lower == before:
            if spent > RECOVERY:
                load.tally.wrong["slow recovery"] += 1
            return spent
        if spent > 10 * RECOVERY:
            load.tally.wrong["no recovery"] += 1
            return spent
