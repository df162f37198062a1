"""What a model makes of some customers: asked once, and then told as scores and as reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from serving.model.basket import Weights
from serving.model.longest import Longest
from serving.model.shares import Shares

Rows = NDArray[np.int64]


class Inner(NamedTuple):
    """Scores that are inner products.

    Attributes:
        vectors: Of the customers, (customers, factors).
        items: Vectors of the items.
    """

    vectors: NDArray[np.float32]
    items: Longest


class Tastes(Protocol):
    """What a scorer made of baskets, one customer after the other; for one thread at a time.

    A scorer may know shorter ways to the best of its scores than all of them: `inner` or `sparse`.
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

    def inner(self) -> Inner | None:
        """What the scores are inner products of; None where they are none."""
        ...

    def sparse(self) -> Weights | None:
        """The scores, where nearly all are 0, (customers, items); None where they are not."""
        ...

    def shares(self, rows: Sequence[Rows]) -> list[Shares]:
        """What each item of a customer's history adds to the scores of some rows.

        Args:
            rows: Of each customer, (rows,); their number may differ.
        """
        ...
