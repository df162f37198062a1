"""The ground on which recipes compete: fitted before validation time, scored on what it brought.

`training.evaluate` tells all there is to tell of a few bundles; here hundreds are asked one
question, and only their order counts. The slates are of the same chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.errors import NotEnoughData
from features.item import Item
from serving.model.basket import Baskets
from serving.model.bundle import Bundle
from serving.model.scoring import Scorer, open_scorer
from serving.ranking.blocks import Block
from serving.ranking.chain import Ask, blocked_items, rank_many
from serving.ranking.view import ItemView, item_view
from training.dataset import MIN_CUSTOMERS, Dataset
from training.evaluate import BATCH, PRIMARY, question_blocks
from training.gate.contest import GATE_METRIC
from training.heldout import HeldOut
from training.metrics import rank_metrics
from training.recommenders.recipe import Recipe

SHARES: Final = (0.125, 0.25, 0.5, 1.0)
"""Of the customers, after which a score is told: what is hopeless by then needs no more of them."""


def primary_block() -> Block:
    """The block that stands for the question which the gate asks."""
    return next(block for block in question_blocks() if block.name == PRIMARY)


@dataclass(frozen=True, eq=False)
class Ground:
    """Validation time, and what was known before it.

    Attributes:
        dataset: Of what happened before; its weighting is replaced by each recipe's.
        held_out: Histories until validation time, and what customers bought in it.
        catalogue: Item id → item; every item is available when None.
        created_at: Goes into manifests; aware, UTC.
        block: The question; its size is the length of the slates.
        metric: Of `rank_metrics` at that length; greater is better.
    """

    dataset: Dataset
    held_out: HeldOut
    catalogue: Mapping[str, Item] | None
    created_at: datetime
    block: Block = field(default_factory=primary_block)
    metric: str = GATE_METRIC

    def check(self) -> None:
        """See that there is anybody to ask.

        Raises:
            NotEnoughData: Fewer than two customers have a target.
        """
        if len(self._asked) < MIN_CUSTOMERS:
            message = (
                f"{len(self._asked)} of {len(self._targets)} customers have a target in validation "
                f"time: choosing needs at least {MIN_CUSTOMERS}; import more history"
            )
            raise NotEnoughData(message)

    def fit(self, recipe: Recipe) -> Bundle:
        """What a recipe makes of the time before.

        Raises:
            BundleError: The fit did not converge.
        """
        # Baskets remember what they weighed, and nobody asks for this recipe's weights again.
        baskets = self.dataset.baskets
        fresh = replace(self.dataset, baskets=baskets.part(0, len(baskets)))
        return recipe.fit(fresh, self.created_at)

    def score(self, bundle: Bundle) -> float:
        """The metric's mean over all customers."""
        *_, last = self.scores(bundle)
        return last

    def scores(self, bundle: Bundle) -> Iterator[float]:
        """The metric's mean over each of the `SHARES` of the customers, as far as one reads on.

        Customers are in the order of their keys, which are random: every share is a fair sample.
        """
        scorer, view = open_scorer(bundle), self._view.ranked(bundle.popularity)
        ends = [0, *(max(1, round(share * len(self._asked))) for share in SHARES)]
        values: list[NDArray[np.float64]] = []
        for first, last in pairwise(ends):
            values += [
                self._values(scorer, view, start, min(start + BATCH, last))
                for start in range(first, last, BATCH)
            ]
            yield float(np.concatenate(values).mean())

    @cached_property
    def digest(self) -> str:
        """Names all that scores depend on but the recipe: the same digest, the same scores."""
        told = hashlib.sha256(version("homing").encode())
        for part in (self.dataset.data, self.block, self.metric, self._targets):
            told.update(msgspec.json.encode(part, order="deterministic"))
        told.update(msgspec.json.encode([self.held_out.at, self.held_out.customers]))
        for item in (self.catalogue or {}).values():
            told.update(msgspec.json.encode(item))
        return told.hexdigest()

    @cached_property
    def _view(self) -> ItemView:
        return item_view(self.dataset.items, self.catalogue)

    @cached_property
    def _targets(self) -> Sequence[frozenset[str]]:
        """What each customer bought, except what the block would never show."""
        held_out = self.held_out
        return [
            wanted - blocked_items(self.block, history, held_out.at)
            for wanted, history in zip(held_out.targets, held_out.histories, strict=True)
        ]

    @cached_property
    def _asked(self) -> Sequence[int]:
        """Numbers of the customers who have a target."""
        return [number for number, targets in enumerate(self._targets) if targets]

    @cached_property
    def _asks(self) -> Sequence[Ask]:
        return [Ask(self.block, self.held_out.histories[number]) for number in self._asked]

    @cached_property
    def _baskets(self) -> Baskets:
        return self.held_out.picked(np.array(self._asked)).baskets(self._view.index)

    def _values(self, scorer: Scorer, view: ItemView, first: int, last: int) -> NDArray[np.float64]:
        """The metric of some of those who are asked, (last - first,)."""
        # As in `training.evaluate`: BLAS with two threads waits for itself longer than it works.
        with threadpool_limits(1, user_api="blas"):
            scores = scorer.score(self._baskets.part(first, last))
        slates = rank_many(view, scores, self._asks[first:last], self.held_out.at)
        hits = np.zeros((last - first, self.block.size), np.bool_)
        counts = np.empty(last - first, np.int64)
        for row, (slate, number) in enumerate(zip(slates, self._asked[first:last], strict=True)):
            targets = self._targets[number]
            wanted = set(view.rows(targets))
            hits[row, : len(slate)] = [place in wanted for place in slate.tolist()]
            counts[row] = len(targets)
        return rank_metrics(hits, counts, self.block.size)[self.metric]
