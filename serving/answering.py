"""One slate within the deadline: what is remembered, the stores, the ladder, pins.

The work runs in lanes of threads, because a store may hang; the loop waits no longer than the
deadline and then answers from what the threads have found by then. Whoever is first settles the
answer. Under load the rung is lowered first: whoever would wait for the model for too long gets
what was published, whoever would wait for the store gets what needs none, and only past a stated
number of requests at once is one refused.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from features.errors import Overloaded
from features.stores.halves import chunks
from serving.asking import Asking
from serving.attempt import Answer, Attempt, Made, Waiting
from serving.breaker import Call
from serving.deadlines import Deadlines
from serving.lanes import Lane
from serving.making import Maker
from serving.parts import Parts
from serving.slate import Ask, Choice, Reason

READ_AT_ONCE: Final = 32
"""Attempts that are looked up in one round trip: what more of them have doesn't fit into a core's
cache, and takes longer each."""
RANK_AT_ONCE: Final = 16
"""Attempts that are scored at once for templates: more would let the first wait for the last."""
PATIENCE: Final = 0.025
"""Seconds after which a look at the store holds up no other."""
RANK_PATIENCE: Final = 0.25
RANKERS: Final = 2
CHUNK: Final = 32
"""Customers of a batch that are scored at once; bounds the memory of their scores."""
MARGIN: Final = 0.9
"""At this part of the deadline the best rung at hand answers: drawing and sending take time too."""
HURRY: Final = 0.5
"""Whoever would wait longer than this part of what is left gets a lower rung at once."""
FEW: Final = 8
"""While so few are being answered, one that hangs on its pins alone may still be ranked."""
_BATCHES = 2
"""Batches that are worked on at once; more of them wait."""

Send = tuple[str, str]
"""Customer key and send."""
Outcome = tuple[list[Made], list[Attempt]]
"""What was answered, and what is left to be ranked."""


class Answers:
    """Makes slates. Its coroutines are called from one event loop at a time.

    Args:
        parts: What they are made from.
    """

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self._asking = Asking(parts)
        self._maker = Maker(parts, self._asking)
        self._current = parts.current
        self._breaker = parts.breaker
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._exposures = parts.exposures
        self._deadline = settings.deadline_ms / 1_000
        self._most = settings.max_concurrent
        self._reading: Lane[Attempt] = Lane(
            "read",
            self._read,
            threads=settings.threads,
            most=READ_AT_ONCE,
            patience=PATIENCE,
        )
        self._ranking: Lane[Attempt] = Lane(
            "rank", self._rank, threads=RANKERS, most=RANK_AT_ONCE, patience=RANK_PATIENCE
        )
        # Apart from what ranks: a store that is late must not hold up the model.
        self._pinning: Lane[Made] = Lane(
            "pin", self._pin, threads=settings.threads, most=READ_AT_ONCE, patience=PATIENCE
        )
        # Threads apart: batches must not hold up a template.
        self._batches = ThreadPoolExecutor(_BATCHES, thread_name_prefix="batch")
        self._lines: defaultdict[Send, deque[Attempt]] = defaultdict(deque)
        self._gathered: list[Attempt] = []
        self._blamed: Call | None = None
        self._deadlines = Deadlines(self._late)
        self._asked = 0

    def close(self) -> None:
        """Make nothing more."""
        self._reading.close()
        self._ranking.close()
        self._pinning.close()
        self._maker.close()
        self._asking.close()
        self._batches.shutdown(wait=False, cancel_futures=True)

    def one(self, ask: Ask) -> asyncio.Future[Answer]:
        """The answer, within the deadline, whatever is down. The block must be a known one.

        It fails with `Overloaded` when `HOMING_MAX_CONCURRENT` requests are being answered.
        """
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.begin(ask, waiting)
        return waiting

    def begin(self, ask: Ask, waiting: Waiting) -> None:
        """Have an answer made for who waits already, as `one`."""
        if self._asked >= self._most:
            message = f"{self._asked} requests are being answered: ask again in a second"
            waiting.set_exception(Overloaded(message))
            return
        attempt = self._attempt(ask)
        attempt.waiting = waiting
        self._asked += 1
        try:
            choice = self._at_once(attempt)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._fail(attempt, error)
            return
        if choice is None:
            self._begin(attempt)
        else:
            self._finish(attempt, choice)

    async def many(self, asks: Sequence[Ask]) -> list[Answer]:
        """The answers of one batch, in the order of the asks; no deadline but the stores' own."""
        attempts = [self._attempt(ask) for ask in asks]
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(self._batches, self._make_many, attempts)
        answers = [Answer(attempt, made[id(attempt)]) for attempt in attempts]
        for answer in answers:
            self._note(answer)
        return answers

    def _attempt(self, ask: Ask) -> Attempt:
        snapshot = self._current.snapshot
        return Attempt(ask, snapshot.blocks[ask.block], snapshot, self._clock.now())

    def _at_once(self, attempt: Attempt) -> Choice | None:
        """What can be answered without waiting; None when there is time to ask the lanes."""
        place = attempt.place
        if place is not None:
            attempt.pins = self._asking.local.of_send(*place[:2])
            pinned = attempt.pinned
            known = not attempt.snapshot.overrides.by_segment
            if pinned is not None and known and attempt.stands(pinned):
                attempt.made = "pinned"
                return pinned
        if not self._breaker.closed:
            # Not even a thread: those there are may all be waiting for the store.
            return self._at_hand(attempt, Reason.STORE)
        seconds = self._seconds(attempt.ask)
        if self._reading.wait(len(self._gathered)) > HURRY * seconds:
            return self._at_hand(attempt, Reason.BUSY)
        attempt.until = time.monotonic() + seconds * MARGIN
        return None

    def _seconds(self, ask: Ask) -> float:
        """How long this answer may take."""
        asked = self._deadline if ask.deadline_ms is None else ask.deadline_ms / 1_000
        return min(asked, self._deadline)

    def _begin(self, attempt: Attempt) -> None:
        """Have an attempt made in the lanes, or answered from what is at hand when time is over.

        One of a send at a time, so that each sees what the others show.
        """
        self._deadlines.add(attempt, attempt.until)
        if attempt.place is not None:
            line = self._lines[attempt.place[:2]]
            line.append(attempt)
            if len(line) > 1:
                return
        self._gather(attempt)

    def _finish(self, attempt: Attempt, choice: Choice) -> None:
        """Answer who waits; whoever is first does."""
        waiting = self._end(attempt)
        if waiting is not None and not waiting.done():
            answer = Answer(attempt, choice)
            waiting.set_result(answer)
            self._note(answer)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        """Tell who waits that there is no answer."""
        waiting = self._end(attempt)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def _end(self, attempt: Attempt) -> Waiting | None:
        """An attempt is over: let the next of its send begin; returns who waits, the first time."""
        waiting, attempt.waiting = attempt.waiting, None
        if waiting is not None:
            self._asked -= 1
            if attempt.until:
                self._deadlines.done(attempt, attempt.until)
                self._leave_line(attempt)
        return waiting

    def _leave_line(self, attempt: Attempt) -> None:
        """Let the next of its send begin."""
        if attempt.place is None:
            return
        send = attempt.place[:2]
        line = self._lines[send]
        first = line[0] is attempt
        line.remove(attempt)
        if not line:
            del self._lines[send]
        elif first:
            self._gather(line[0])

    def _gather(self, attempt: Attempt) -> None:
        """Put an attempt into the lane, with all that come in the same turn of the loop.

        A thread that was woken for each of them would take turns with the loop for each of them.
        """
        self._gathered.append(attempt)
        if len(self._gathered) == 1:
            asyncio.get_running_loop().call_soon(self._put_gathered)

    def _put_gathered(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._reading.put(*gathered)

    def _at_hand(self, attempt: Attempt, cause: Reason, *, ranking: bool = False) -> Choice:
        """Answer without the lanes, and before that all of the same send that are being made.

        They could settle on the same items otherwise, for neither would see the other's.
        """
        if attempt.place is not None:
            for earlier in tuple(self._lines.get(attempt.place[:2], ())):
                if earlier is attempt:
                    break
                self._finish(earlier, self._maker.at_hand(earlier, cause))
        return self._maker.at_hand(attempt, cause, ranking=ranking)

    def _late(self, attempt: Attempt) -> None:
        """Answer when time is over, if nobody has."""
        if attempt.waiting is None:
            return
        self._blame(attempt)
        try:
            ranking = self._asked <= FEW
            choice = self._at_hand(attempt, Reason.DEADLINE, ranking=ranking)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._fail(attempt, error)
        else:
            self._finish(attempt, choice)

    def _blame(self, attempt: Attempt) -> None:
        """Count a failure of the store, if that is what took the time: a machine may be slow too.

        Once a call: all that wait for the same are one failure.
        """
        call, long = attempt.call, HURRY * self._seconds(attempt.ask)
        if call is None:
            if attempt.seen is None and self._reading.age > long:
                self._asking.note_hanging()
        elif call is not self._blamed and time.monotonic() - call.began > long:
            self._blamed = call
            self._asking.note_failure(call)

    def _read(self, attempts: list[Attempt]) -> None:
        """What the reading lane does."""
        made, rest = self._tried(_waited_for(attempts), self._maker.read)
        now = time.monotonic()
        patient: list[Attempt] = []
        for attempt in rest:
            if self._ranking.wait(len(patient)) > HURRY * (attempt.until - now):
                made += self._tried([attempt], self._lowered)[0]
            else:
                patient.append(attempt)
        self._ranking.put(*patient)
        self._deliver(made)

    def _rank(self, attempts: list[Attempt]) -> None:
        """What the ranking lane does."""
        made = self._tried(_waited_for(attempts), self._ranked)[0]
        self._pinning.put(*(one for one in made if _is_fresh(one[0])))
        self._deliver([one for one in made if not _is_fresh(one[0])])

    def _pin(self, made: list[Made]) -> None:
        """What the pinning lane does."""
        self._deliver(self._pinned(made))

    def _pinned(self, made: list[Made]) -> list[Made]:
        """What is answered once fresh choices were pinned, or could not be."""
        try:
            return self._asking.pin(made)
        except Exception:  # noqa: BLE001 - what was chosen is answered, pinned or not
            self._maker.note_unforeseen(made[0][0])
            return made

    def _deliver(self, made: Sequence[Made]) -> None:
        """Hand choices to those who wait for them in their loops, as they are sent.

        In a row, putting an answer together takes half of what it takes between two requests.
        """
        with suppress(Exception):  # the loop tries again, each by itself, and says what is wrong
            for attempt, choice in made:
                attempt.encoded(choice)
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[Made]] = defaultdict(list)
        for one in made:
            waiting = one[0].waiting
            if waiting is not None:
                by_loop[waiting.get_loop()].append(one)
        for loop, some in by_loop.items():
            with suppress(RuntimeError):  # it was closed meanwhile
                loop.call_soon_threadsafe(self._finish_all, some)

    def _finish_all(self, made: Iterable[Made]) -> None:
        for attempt, choice in made:
            try:
                self._finish(attempt, choice)
            except Exception:  # noqa: BLE001 - it must not cost the others of its group their answer
                self._maker.note_unforeseen(attempt)

    def _make_many(self, attempts: Sequence[Attempt]) -> dict[int, Choice]:
        """All the work of one batch, in a thread; attempt's `id` → choice."""
        made: list[Made] = []
        for some in chunks(attempts, READ_AT_ONCE):
            answered, rest = self._tried(some, self._maker.read)
            made += answered
            for few in chunks(rest, CHUNK):
                ranked = self._tried(few, self._ranked)[0]
                made += self._pinned([one for one in ranked if _is_fresh(one[0])])
                made += [one for one in ranked if not _is_fresh(one[0])]
        return {id(attempt): choice for attempt, choice in made}

    def _ranked(self, attempts: Sequence[Attempt]) -> Outcome:
        return self._maker.rank(attempts), []

    def _lowered(self, attempts: Sequence[Attempt]) -> Outcome:
        return [self._maker.lower(attempt, Reason.BUSY) for attempt in attempts], []

    def _tried(
        self, attempts: Sequence[Attempt], work: Callable[[Sequence[Attempt]], Outcome]
    ) -> Outcome:
        """What the work gives; where it bursts, of each alone, so that one hurts no other."""
        if not attempts:
            return [], []
        try:
            return work(attempts)
        except Exception:  # noqa: BLE001 - a template always gets an answer
            if len(attempts) == 1:
                self._maker.note_unforeseen(attempts[0])
                return [(attempts[0], self._maker.at_hand(attempts[0], Reason.FAILED))], []
        made: list[Made] = []
        left: list[Attempt] = []
        for attempt in attempts:
            answered, rest = self._tried([attempt], work)
            made += answered
            left += rest
        return made, left

    def _note(self, answer: Answer) -> None:
        """Count an answer, and record once that it was shown."""
        attempt, choice = answer
        ask = attempt.ask
        self._metrics.note_answer(choice.served_by, choice.reason, attempt.made)
        if ask.send is not None and ask.record:
            self._exposures.record(ask.customer, ask.send, ask.block, choice, attempt.count)


def _waited_for(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Those that were not answered meanwhile, because time was over."""
    return [attempt for attempt in attempts if attempt.settled is None]


def _is_fresh(attempt: Attempt) -> bool:
    """Whether its choice is still to be pinned."""
    return attempt.place is not None and attempt.pinned is None
