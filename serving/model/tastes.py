"""What a model makes of some customers: asked once, and then told as scores and as reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.model.shares import Shares
from serving.model.ways import Alike, Few, Inner, Mixed

Rows = NDArray[np.int64]


class Tastes(Protocol):
    """What a scorer made of baskets, one customer after the other; for one thread at a time.

    Those who want only the best of the scores may find a shorter way to them.
    """

    def scores(self) -> NDArray[np.float32]:
        """Scores, (customers, items), finite; greater is better.

        An item that a personal model has nothing to say about scores 0, and so does every item
        for an empty basket: the chain orders equal scores by popularity. May be read-only.
        """
        ...

    def at(self, customer: int, rows: Rows) -> NDArray[np.float64]:
        """Scores of some rows of one customer, (rows,), to the bit whoever else is asked for."""
        ...

    def way(self) -> Inner | Few | Alike | Mixed | None:
        """A way to the greatest scores without a look at all; None where there is none."""
        ...

    def shares(self, rows: Sequence[Rows]) -> list[Shares]:
        """What each item of a customer's history adds to the scores of some rows.

        Args:
            rows: Of each customer, (rows,); their number may differ.
        """
        ...
