"""Slates of any scores, through the chain that serves: how peers, which make no bundle, are judged.

Same customers, same questions, same rules of what may come, same ties by popularity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from serving.ranking.bundle_view import bundle_view
from serving.ranking.chain import finite_scores, pick_rows
from serving.ranking.top import EMPTY
from training.dataset import Dataset
from training.evaluate import question_blocks
from training.heldout import HeldOut
from training.hits import hits_of
from training.judging import Shown, Trial, questions
from training.metrics import NDCG, name_at, rank_metrics
from training.recommenders.recipe import default_recipe

K: Final = 10
"""Places that count."""
METRIC: Final = name_at(NDCG, K)
BATCH: Final = 64
"""Customers scored at once."""

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]
Score = Callable[[Numbers], NDArray[np.float32]]
"""Rows of a dataset's customers → scores of its items, (customers, items)."""


class Jury:
    """Held-out customers before whom scores are ranked.

    Args:
        dataset: What scores are made of; its items are those that can come.
        held_out: The customers; one who is not in the dataset is given what is popular.
        catalogue: Item id → item; every item is available when None.
    """

    def __init__(
        self, dataset: Dataset, held_out: HeldOut, catalogue: Mapping[str, Item] | None
    ) -> None:
        popular = default_recipe("popularity").fit(dataset, held_out.at)
        view = bundle_view(popular, catalogue)
        self._trial = Trial(popular, held_out, view)
        self._asked = questions(self._trial, question_blocks())
        place = {customer: row for row, customer in enumerate(dataset.customers)}
        self._rows = np.array([place.get(name, -1) for name in held_out.customers])

    def judge(self, score: Score) -> dict[str, Values]:
        """Question → NDCG of each customer with a target, in the order of their keys."""
        size = (len(self._rows), K)
        shown = [Shown(question, np.full(size, EMPTY), None) for question in self._asked]
        for first in range(0, len(self._rows), BATCH):
            rows = self._rows[first : first + BATCH]
            scores = np.zeros((len(rows), len(self._trial.view.items)), np.float32)
            scores[rows >= 0] = finite_scores(score(rows[rows >= 0]))
            for one in shown:
                self._rank(one, scores.copy(), first)
        return {one.question.block.name: self._values(one) for one in shown}

    def _rank(self, shown: Shown, scores: NDArray[np.float32], first: int) -> None:
        """Fill in the slates of the customers from `first` on."""
        question, last = shown.question, first + len(scores)
        scores[:, ~question.eligible] = -np.inf
        closed = question.closed.part(first, last)
        scores[closed.customers, closed.items] = -np.inf
        at = self._trial.held_out.at
        slates = pick_rows(self._trial.view, scores, question.block, at, K)
        shown.rows[first:last, : slates.shape[1]] = slates

    def _values(self, shown: Shown) -> Values:
        wanted = self._trial.held_out.wanted.where(shown.question.wanted)
        found = hits_of(self._trial, shown, np.flatnonzero(wanted.lengths))
        return rank_metrics(found.hits, found.targets, K)[METRIC]
