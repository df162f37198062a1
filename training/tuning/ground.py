"""The ground on which recipes compete: fitted before validation time, scored on what it brought.

`training.evaluate` tells all there is to tell of a few bundles; here hundreds are asked one
question, and only their order counts. The slates are of the same chain.
"""

from __future__ import annotations

import hashlib
import os
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

from features.errors import NotEnoughData
from features.item import Item
from serving.model.bundle import Bundle
from serving.ranking.blocks import Block
from serving.ranking.chain import blocked_cells
from serving.ranking.view import ItemView, item_view
from training.dataset import MIN_CUSTOMERS, Dataset
from training.evaluate import PRIMARY, question_blocks
from training.gate.contest import GATE_METRIC
from training.heldout import HeldOut
from training.hits import hits_of
from training.judging import How, Trial, questions, show
from training.metrics import rank_metrics
from training.recommenders.blend import Blend
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
        asked, known = len(self._asked.customers), len(self.held_out.customers)
        if asked < MIN_CUSTOMERS:
            message = (
                f"{asked} of {known} customers have a target in validation time: choosing needs "
                f"at least {MIN_CUSTOMERS}; import more history"
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

    def mix(self, blend: Blend, bundles: Sequence[Bundle]) -> Bundle:
        """The blend of bundles that its recipes, in their order, made of the time before."""
        return blend.mix(bundles, self.dataset, self.created_at)

    def among(self, places: NDArray[np.int64]) -> Ground:
        """The same ground with some of its customers only, by their places, ascending."""
        return replace(self, held_out=self.held_out.picked(places))

    def score(self, bundle: Bundle) -> float:
        """The metric's mean over all customers."""
        *_, last = self.scores(bundle)
        return last

    def scores(self, bundle: Bundle) -> Iterator[float]:
        """The metric's mean over each of the `SHARES` of the customers, as far as one reads on.

        Customers are in the order of their keys, which are random: every share is a fair sample.
        """
        view = self._view.ranked(bundle.popularity)
        values: list[NDArray[np.float64]] = []
        for part in self._parts:
            values.append(self._values(Trial(bundle, part, view)))
            yield float(np.concatenate(values).mean())

    @cached_property
    def digest(self) -> str:
        """Names all that scores depend on but the recipe: the same digest, the same scores."""
        told = hashlib.sha256(version("homing").encode())
        held_out = self.held_out
        moments, wanted = (held_out.at, held_out.until), held_out.wanted
        for part in (self.dataset.data, self.block, self.metric, moments, held_out.customers):
            told.update(msgspec.json.encode(part, order="deterministic"))
        told.update(msgspec.json.encode([held_out.items[item] for item in wanted.items]))
        told.update(wanted.starts.tobytes())
        for _, item in sorted((self.catalogue or {}).items()):
            told.update(msgspec.json.encode(item))
        return told.hexdigest()

    @cached_property
    def _view(self) -> ItemView:
        return item_view(self.dataset.items, self.catalogue)

    @cached_property
    def has_target(self) -> NDArray[np.bool_]:
        """Which customers bought what the block would not keep from them, (customers,)."""
        held_out, traded = self.held_out, self.held_out.traded
        blocked = blocked_cells(self.block, traded.bought, traded.returned, held_out.at)
        wanted = held_out.wanted.where(~np.append(blocked, False)[held_out.had_before])
        return wanted.lengths > 0

    @cached_property
    def _asked(self) -> HeldOut:
        """The customers who have a target."""
        return self.held_out.picked(np.flatnonzero(self.has_target))

    @cached_property
    def _parts(self) -> Sequence[HeldOut]:
        """Those who are asked anew for each of the `SHARES`."""
        count = len(self._asked.customers)
        ends = [0, *(max(1, round(share * count)) for share in SHARES)]
        return [self._asked.picked(np.arange(*edges)) for edges in pairwise(ends)]

    def _values(self, trial: Trial) -> NDArray[np.float64]:
        """The metric of each customer of a trial, (customers,)."""
        how = How(self.block.size, os.cpu_count() or 1, auc=False)
        [shown] = show(trial, questions(trial, [self.block]), how)
        found = hits_of(trial, shown, np.arange(len(trial.held_out.customers)))
        return rank_metrics(found.hits, found.targets, self.block.size)[self.metric]
