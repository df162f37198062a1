"""What share of the best items answers find: now and then one is made again from all scores.

Ways to the best scores are exact, up to the catalogue size that `serving.model.longest` names. This
tells whether they were, of the very questions that are asked, and how much is missed beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count
from typing import Final

import structlog

from serving.fallback import Question, Ranked
from serving.lanes import Lane
from serving.metrics import Metrics
from serving.ranking.opinion import Opinion
from serving.snapshot import Snapshot

EVERY: Final = 1_000
"""One in so many of the model's answers is made again, the first one too."""
_log = structlog.get_logger(__name__)
_Job = tuple[Snapshot, Question, Ranked]


class Recall:
    """Makes some answers again, in a thread of its own.

    Args:
        metrics: Counts what was found.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._number = count()
        self._lane: Lane[_Job] = Lane("recall", self._look, threads=1, most=1, patience=math.inf)

    def note(
        self, snapshot: Snapshot, questions: Sequence[Question], ranked: Sequence[Ranked | None]
    ) -> None:
        """Take one of these answers if it is its turn; never blocks.

        Args:
            snapshot: What they were made from.
            questions: As `serving.fallback.rank` took them.
            ranked: What it gave.
        """
        for question, found in zip(questions, ranked, strict=True):
            if found is not None and next(self._number) % EVERY == 0:
                self._lane.put((snapshot, question, found))

    def close(self) -> None:
        """Look at no more."""
        self._lane.close()

    def _look(self, jobs: list[_Job]) -> None:
        for snapshot, question, ranked in jobs:
            try:
                best = best_rows_of_all(snapshot, question)
            except Exception:  # noqa: BLE001 - no answer depends on it
                _log.exception("recall can't be told")
                continue
            found = set(ranked.ranking.rows.tolist())
            self._metrics.best_items.inc(len(best))
            self._metrics.missed_items.inc(len(best - found))


def best_rows_of_all(snapshot: Snapshot, question: Question) -> set[int]:
    """The rows of the model's own slate when all scores are looked at.

    Args:
        snapshot: Nothing is best without a model.
        question: Nor for a customer of whom the model knows nothing.
    """
    model, view = snapshot.model, snapshot.view
    if model is None or view is None:
        return set()
    opinion = Opinion(model.bundle, model.scorer, [question.history], question.now, exhaustive=True)
    asks = [question.under(snapshot.overrides).rules for _ in opinion.known]
    return {row for slate in opinion.rankings(view, asks) for row in slate.rows.tolist()}
