"""Contests between servers: in turns, the median of several, every answer looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.figures import TIMES
from benchmarks.serving.servers import LOAD_CORE, Server, pinned
from homing.rehearsal.load import Sending, closed_loop, open_loop, poisson
from homing.rehearsal.measured import OK, Measured
from homing.rehearsal.wire import Target

SECONDS: Final = 3.0
"""Of one turn."""
WARM_SECONDS: Final = 2.0
STEADY_SECONDS: Final = 10.0
SHARE: Final = 0.7
"""Of its own peak, at which latency is looked at."""
BUSY: Final = 32
"""Connections that find the peak."""
MANY: Final = 256
"""Connections that an open loop may use."""

Judge = Callable[[int, bytes], bool]
"""Whether an answer is what was to be measured, of the request's number and the body."""


class WrongAnswerError(AssertionError):
    """A server did not answer what was to be measured: its speed would say nothing."""


@dataclass
class Contestant:
    """One server, what it is asked, and what it must answer.

    Attributes:
        server: Runs already.
        requests: Asked in turn.
        judge: Looks at answers.
        every: Of so many answers, one is looked at; the status of all.
    """

    server: Server
    requests: Sequence[bytes]
    judge: Judge = lambda _, body: bool(body)
    every: int = 1
    _wrong: list[bytes] = field(default_factory=list)

    @property
    def target(self) -> Target:
        """Where it answers."""
        return self.server.target

    def heard(self, number: int, status: int, body: bytes) -> None:
        """Look at an answer."""
        looked = number % self.every == 0
        if status != OK or (looked and not self.judge(number % len(self.requests), body)):
            self._wrong.append(body)

    def check(self, measured: Measured) -> Measured:
        """What was measured, if all of it was answered as wanted.

        Raises:
            WrongAnswerError: It was not.
        """
        if self._wrong or measured.unsent or not measured.came.all():
            first = self._wrong[0][:500] if self._wrong else b""
            message = f"{len(self._wrong)} wrong answers, {measured.figures()}; first: {first!r}"
            raise WrongAnswerError(message)
        return measured


@dataclass(frozen=True)
class Peak:
    """What a server reaches.

    Attributes:
        rate: Answers a second.
        processor: Microseconds of processor time that an answer takes, all its processes together.
    """

    rate: float
    processor: float


def peaks(
    contestants: Mapping[str, Contestant], seconds: float = SECONDS, connections: int = BUSY
) -> dict[str, Peak]:
    """The peak of each: after warming up, in turns, the median of five.

    Raises:
        WrongAnswerError: One answered something else.
    """
    for contestant in contestants.values():
        closed(contestant, WARM_SECONDS, connections)
    found: dict[str, list[Peak]] = {name: [] for name in contestants}
    for _ in range(TIMES):
        for name, contestant in contestants.items():
            found[name].append(closed(contestant, seconds, connections))
    return {
        name: Peak(median(peak.rate for peak in of), median(peak.processor for peak in of))
        for name, of in found.items()
    }


def closed(
    contestant: Contestant,
    seconds: float,
    connections: int = BUSY,
    cores: Sequence[int] = (LOAD_CORE,),
) -> Peak:
    """One turn in a closed loop, the load on these cores."""
    before = contestant.server.processor_seconds()
    sending = Sending(contestant.target, connections, heard=contestant.heard)
    with pinned(*cores):
        measured = contestant.check(closed_loop(sending, contestant.requests, seconds))
    spent = contestant.server.processor_seconds() - before
    return Peak(measured.rate, 1e6 * spent / len(measured.statuses))


def steady(contestant: Contestant, rate: float, seconds: float = STEADY_SECONDS) -> Measured:
    """An open loop at a rate, as from people who know nothing of each other."""
    sending = Sending(contestant.target, MANY, spin=True, heard=contestant.heard)
    with pinned(LOAD_CORE):
        due = poisson(rate, max(1, round(rate * seconds)))
        return contestant.check(open_loop(sending, contestant.requests, due))


def p99_of(contestant: Contestant, rate: float) -> float:
    """Milliseconds within which 99 of 100 are answered at a rate: the median of five."""
    return median(steady(contestant, rate, STEADY_SECONDS / 2).latency().p99 for _ in range(TIMES))
