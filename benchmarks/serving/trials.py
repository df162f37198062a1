"""Contests between servers: in turns, the median of several, every answer looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import TIMES, Figure, at_most, plain
from benchmarks.serving.servers import LOAD_CORE, Server, pinned
from homing.rehearsal.load import Sending, closed_loop, open_loop, poisson
from homing.rehearsal.measured import OK, Measured
from homing.rehearsal.wire import Target

SECONDS: Final = 3.0
"""Of one turn."""
WARM_SECONDS: Final = 2.0
STEADY_SECONDS: Final = 10.0
BRIEF_SECONDS: Final = 1.0
"""Of an open loop's turn: between what else a machine does every few seconds, so that most turns
see none of it and the median is of the server."""
BRIEF_TURNS: Final = 15
LEAD_SECONDS: Final = 0.2
"""At the beginning of an open loop's turn, and not looked at: connections are new then, and caches
cold. In a brief turn that would be all that the worst in a hundred tell of."""
SHARE: Final = 0.7
"""Of its own peak, at which latency is looked at."""
BUSY: Final = 32
"""Connections that find the peak."""
LEAST_RIGHT: Final = 0.95
"""Share of answers that must be what was to be measured; more is reported, and does not count."""
MANY: Final = 256
"""Connections that an open loop may use."""

Judge = Callable[[int, bytes], bool]
"""Whether an answer is what was to be measured, of the request's number and the body."""


class WrongAnswerError(AssertionError):
    """A server did not answer what was to be measured: its speed would say nothing."""


def tried(stage: str, measure: Callable[[], list[Figure]]) -> list[Figure]:
    """What a stage measured; where answers were wrong, a figure that says so.

    The other stages still tell something.
    """
    try:
        return measure()
    except WrongAnswerError as error:
        sys.stderr.write(f"{stage}: {error}\n")
        return [Figure(f"{stage}: not measured", 0.0, "", "answers as meant", holds=False)]


@dataclass
class Contestant:
    """One server, what it is asked, and what it must answer.

    Attributes:
        server: Runs already.
        requests: Asked in turn.
        judge: Looks at answers.
        every: Of so many answers, one is looked at; the status of all.
        looked: Answers that were looked at since the last check.
        other: Those of them that were not what was to be measured.
    """

    server: Server
    requests: Sequence[bytes]
    judge: Judge = lambda _, body: bool(body)
    every: int = 1
    looked: int = 0
    other: int = 0
    _failed: int = 0
    _first: bytes = b""

    @property
    def target(self) -> Target:
        """Where it answers."""
        return self.server.target

    def heard(self, number: int, status: int, body: bytes) -> None:
        """Look at an answer."""
        self._failed += status != OK
        if number % self.every == 0:
            self.looked += 1
            if not self.judge(number % len(self.requests), body):
                self.other += 1
                self._first = self._first or body

    def right(self, measured: Measured) -> float:
        """The share of answers since the last call that were what was to be measured.

        A scorer that the machine holds up for a moment answers from a lower rung meanwhile.

        Raises:
            WrongAnswerError: Some were no 200, or did not come.
        """
        right = 1.0 - self.other / max(self.looked, 1)
        if self._failed or measured.unsent:
            raise self._wrong(right, measured)
        self.looked = self.other = 0
        return right

    def check(self, measured: Measured) -> float:
        """The same, and nearly all of them must be.

        Raises:
            WrongAnswerError: Too many were something else, or as `right`.
        """
        right = self.right(measured)
        if right < LEAST_RIGHT:
            raise self._wrong(right, measured)
        return right

    def _wrong(self, right: float, measured: Measured) -> WrongAnswerError:
        return WrongAnswerError(
            f"{right:.1%} right, {measured.figures()}; else: {self._first[:500]!r}"
        )


@dataclass(frozen=True)
class Peak:
    """What a server reaches.

    Attributes:
        rate: Answers a second that were what was to be measured.
        processor: Microseconds of processor time that an answer takes, all its processes together.
        right: Share of all answers that were.
    """

    rate: float
    processor: float
    right: float


class Late(NamedTuple):
    """How late answers are.

    Attributes:
        p50: Milliseconds of half of them.
        p99: Of 99 in 100.
        right: Share of them that were what was to be measured.
        overall: Milliseconds of 99 in 100 of all turns together, whatever disturbed one of them.
    """

    p50: float
    p99: float
    right: float
    overall: float


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
    return {name: median_peak(of) for name, of in found.items()}


def median_peak(turns: Sequence[Peak]) -> Peak:
    """The median of each figure of several turns."""
    figures = ([getattr(peak, name) for peak in turns] for name in ("rate", "processor", "right"))
    return Peak(*map(median, figures))


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
        measured = closed_loop(sending, contestant.requests, seconds)
    right = contestant.check(measured)
    spent = contestant.server.processor_seconds() - before
    return Peak(right * measured.rate, 1e6 * spent / len(measured.statuses), right)


def steady(contestant: Contestant, rate: float, seconds: float = STEADY_SECONDS) -> Late:
    """An open loop at a rate, as from people who know nothing of each other."""
    return lateness([_open_turn(contestant, rate, seconds)])


def late_at(contestant: Contestant, rate: float) -> Late:
    """How late answers are at a rate: the median of many brief turns, and all of them together."""
    return lateness([_open_turn(contestant, rate, BRIEF_SECONDS) for _ in range(BRIEF_TURNS)])


def lateness(turns: Sequence[tuple[NDArray[np.float64], float]]) -> Late:
    """How late answers were in several turns.

    Args:
        turns: Of each the seconds of its answers, (answers,), and the share that was right.
    """
    each = np.array([np.quantile(seconds, (0.5, 0.99)) for seconds, _ in turns])
    p50, p99 = 1_000 * np.median(each, axis=0)
    overall = 1_000 * np.quantile(np.concatenate([seconds for seconds, _ in turns]), 0.99)
    return Late(float(p50), float(p99), median(right for _, right in turns), float(overall))


def _open_turn(
    contestant: Contestant, rate: float, seconds: float
) -> tuple[NDArray[np.float64], float]:
    """The seconds of a turn's answers, (answers,), and the share of all that was right."""
    sending = Sending(contestant.target, MANY, heard=contestant.heard)
    with pinned(LOAD_CORE):
        due = poisson(rate, max(1, round(rate * (LEAD_SECONDS + seconds))))
        measured = open_loop(sending, contestant.requests, due)
    right = contestant.right(measured)
    return measured.seconds[measured.due >= LEAD_SECONDS], right


def late_figures(name: str, late: Late, bar: float | None = None) -> list[Figure]:
    """99 in 100 answers; a bar holds only where they were what was to be measured."""
    told = f"{name}, p99 at {SHARE:.0%} of its peak"
    more = [
        plain(f"{told}, all turns together", late.overall, "ms"),
        plain(f"{told}: answered as meant", 100 * late.right, "%"),
    ]
    if bar is None:
        return [plain(told, late.p99, "ms"), *more]
    figure = at_most(told, late.p99, "ms", bar)
    holds = late.p99 <= bar and late.right >= LEAST_RIGHT
    return [msgspec.structs.replace(figure, holds=holds), *more]
