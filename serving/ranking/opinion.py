"""What a model answers by itself: slates, and what speaks for their items; live and ahead of time.

What answers live and what publishes call this, so that a slate which was published is the very one
that would have been answered at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from features.profile import History, Spoken
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle
from serving.model.scoring import Scorer
from serving.model.shares import spoken
from serving.ranking.chain import Ask, Ranking, rankings
from serving.ranking.source import Told
from serving.ranking.top import Rows
from serving.ranking.view import ItemView


class Opinion:
    """What a model makes of some customers; for one thread at a time.

    Args:
        bundle: The model.
        scorer: Its scorer.
        histories: One a customer.
        now: The moment of asking, aware.
        exhaustive: Whether all scores are looked at, whatever shorter way there is.

    Attributes:
        known: The places of those histories of which the model knows anything, ascending.
    """

    def __init__(
        self,
        bundle: Bundle,
        scorer: Scorer,
        histories: Sequence[History],
        now: datetime,
        *,
        exhaustive: bool = False,
    ) -> None:
        self._bundle = bundle
        self._now = now
        baskets = baskets_of(histories, bundle.index, now)
        weights = baskets.weights(bundle.manifest.weighting)
        known = np.flatnonzero(np.diff(weights.indptr))
        self.known: list[int] = known.tolist()
        self._baskets = baskets if len(known) == len(baskets) else baskets.picked(known)
        self._told = Told(scorer.tastes(self._baskets), exhaustive=exhaustive)

    def rankings(self, view: ItemView, asks: Sequence[Ask]) -> list[Ranking]:
        """The model's own slates.

        Args:
            view: Of the bundle's items.
            asks: One for each that is known.
        """
        if not asks:
            return []
        return rankings(view, self._told, asks, self._now)

    def spoken(self, rows: Sequence[Rows]) -> list[tuple[Spoken | None, ...]]:
        """What speaks most for some rows.

        Args:
            rows: Of each that is known, (rows,); their number may differ.
        """
        if not rows:
            return []
        weighting = self._bundle.manifest.weighting
        shares = self._told.tastes.shares(rows)
        return spoken(shares, self._baskets, weighting, self._bundle.items)
