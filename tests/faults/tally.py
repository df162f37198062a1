"""Judges every answer by itself, and counts."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tests.faults.client import Answer
from tests.faults.mix import Asked
from tests.faults.world import ELIGIBLE, SIZES, model_of

GRACE = 0.05
"""Seconds after the deadline that an answer may take."""

IN_A_HURRY = frozenset({"deadline", "busy"})
"""Reasons of answers for whose rung there was no time."""


class Late(NamedTuple):
    """An answer that came too late.

    Attributes:
        began: When it was asked for, by `time.monotonic`.
        ended: When it came.
        seconds: By how much it was too late.
    """

    began: float
    ended: float
    seconds: float


class _Item(msgspec.Struct):
    position: int
    id: str
    price: float | None


class _Slate(msgspec.Struct):
    slate: str
    served_by: str
    reason: str | None
    model: str | None
    count: int
    items: tuple[_Item, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(item.id for item in self.items)


_decoder = msgspec.json.Decoder(_Slate)


@dataclass
class Tally:
    """What was wrong with answers, and how long they took.

    Attributes:
        deadline: Of the scorer, in seconds.
        allowed: Rungs that may answer a known customer's first fetch just now; None while that
            is not judged, as in the moments in which a fault begins.
        answered: Answers with status 200.
        wrong: What was wrong → how often; empty when all is well.
        examples: What was wrong → the first such fetch and answer.
        rungs: Rung → answers.
        lost: Connections that broke under a fetch.
        refused: Answers 503 with `Retry-After`.
        seconds: How long every answer took.
        over: The most that an answer came after its deadline, in seconds; negative before it.
        late: Answers that came more than `GRACE` after it.
        hurried: Answers of a lower rung than was due, which say that there was no time for it.
    """

    deadline: float
    allowed: frozenset[str] | None = None
    answered: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    rungs: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)
    over: float = -60.0
    late: list[Late] = field(default_factory=list)
    hurried: int = 0
    _slates: dict[tuple[int, str], dict[str, tuple[str, ...]]] = field(default_factory=dict)

    def see(self, asked: Asked, allowed: frozenset[str] | None, answer: Answer) -> str | None:
        """Judge one answer; returns its rung, or None where it has none.

        Args:
            asked: The fetch.
            allowed: What was allowed when it began.
            answer: Its answer.
        """
        self.lost += answer.lost
        if answer.status == 503 and answer.retry_after:
            self.refused += 1
            return None
        if answer.status != 200:
            self._note("blank" if answer.status == 0 else f"status {answer.status}", asked, answer)
            return None
        self.answered += 1
        self._see_time(asked, answer)
        try:
            slate = _decoder.decode(answer.body)
        except msgspec.DecodeError:
            self._note("not a slate", asked, answer)
            return None
        self.rungs[slate.served_by] += 1
        for fault in _faults(asked, slate):
            self._note(fault, asked, answer)
        for fault in self._unlike(asked, slate):
            self._note(fault, asked, answer)
        if self._knows_rung(asked, allowed) and slate.served_by not in (allowed or ()):
            if slate.reason in IN_A_HURRY:
                self.hurried += 1
            else:
                self._note(f"rung {slate.served_by}", asked, answer)
        return slate.served_by

    def _knows_rung(self, asked: Asked, allowed: frozenset[str] | None) -> bool:
        """Whether it is known which rungs may answer a fetch: the same before and after it."""
        fresh = asked.first and asked.known and asked.deadline_ms is None
        return fresh and allowed is not None and allowed == self.allowed

    def _see_time(self, asked: Asked, answer: Answer) -> None:
        own = asked.deadline_ms
        deadline = self.deadline if own is None else min(self.deadline, own / 1_000)
        self.seconds.append(answer.seconds)
        self.over = max(self.over, answer.seconds - deadline)
        if answer.seconds > deadline + GRACE:
            ended = time.monotonic()
            self.late.append(Late(ended - answer.seconds, ended, answer.seconds - deadline - GRACE))

    def _unlike(self, asked: Asked, slate: _Slate) -> list[str]:
        """How a slate differs from what was shown before of the same mail."""
        if not asked.send:
            return []
        mail = self._slates.setdefault((asked.number, asked.send), {})
        shown = (slate.slate, *slate.ids)
        before = mail.setdefault(asked.block, shown)
        if before != shown:
            return ["differed"]
        others = {item for block, shown in mail.items() if block != asked.block for item in shown}
        return ["repeated in another block"] if others & set(slate.ids) else []

    def _note(self, fault: str, asked: Asked, answer: Answer) -> None:
        self.wrong[fault] += 1
        self.examples.setdefault(fault, f"{asked} {answer.seconds:.3f} s {answer.body.decode()}")


def _faults(asked: Asked, slate: _Slate) -> list[str]:
    """What is wrong with a slate by itself."""
    wanted, ids = SIZES[asked.block], slate.ids
    numbers = [int(item.rpartition("-")[2]) for item in ids if item.startswith("item-")]
    one_model = slate.served_by == "model" and slate.reason is None
    checks = {
        "short": slate.count != wanted or len(ids) != wanted,
        "positions": [item.position for item in slate.items] != list(range(1, len(ids) + 1)),
        "duplicate": len(set(ids)) < len(ids),
        "not eligible": not ELIGIBLE.issuperset(ids),
        "owned": one_model and asked.block != "again" and not asked.owned.isdisjoint(ids),
        "mixed models": one_model and any(model_of(number) != slate.model for number in numbers),
        "static": slate.served_by == "static",
        "mixed catalogues": len({item.price for item in slate.items if item.price is not None}) > 1,
    }
    return [fault for fault, found in checks.items() if found]
