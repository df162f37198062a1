"""What customers bought of what they were shown, and the metrics that count it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.top import EMPTY
from training.heldout import NEVER
from training.judging import Shown, Trial
from training.metrics import NDCG, RECALL, name_at, rank_metrics

REVENUE: Final = "revenue"
"""Money that the customer paid in held-out time for the items of the first k places."""
AGAIN: Final = ("recall_again", "ndcg_again")
"""Recall and NDCG when only what the customer had bought before counts as a target."""
NEW: Final = ("recall_new", "ndcg_new")
"""The same when only what the customer had not bought before does."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hits:
    """Which places of customers' slates hold a target.

    Attributes:
        hits: (customers, places).
        again: Those whose item the customer had bought before, (customers, places).
        spend: Money paid for the item of a hit, 0 elsewhere, (customers, places).
        targets: How many targets each customer has, positive, (customers,).
        again_targets: How many of them the customer had bought before, (customers,).
        priced: Whether any target bears money.
    """

    hits: NDArray[np.bool_]
    again: NDArray[np.bool_]
    spend: Floats
    targets: NDArray[np.int64]
    again_targets: NDArray[np.int64]
    priced: bool


def hits_of(trial: Trial, shown: Shown, customers: NDArray[np.int64]) -> Hits:
    """What of a block's targets it showed.

    Args:
        trial: Bundle and customers.
        shown: What the block showed.
        customers: Numbers of those who have a target, in any order.
    """
    held_out, wide = trial.held_out, len(trial.view.items) + 1
    asked = held_out.wanted.where(shown.question.wanted)
    had = held_out.had_before[shown.question.wanted]
    again = np.append(held_out.traded.bought, NEVER)[had] > NEVER
    # A target that the bundle does not know has row -1, which no slate shows but as `EMPTY`.
    cells = asked.customers * wide + trial.rows[asked.items] + 1
    order = np.argsort(cells, kind="stable")
    rows = shown.rows[customers]
    sought = customers[:, None] * wide + rows + 1
    places = order[np.minimum(np.searchsorted(cells, sought, sorter=order), len(cells) - 1)]
    hits = (cells[places] == sought) & (rows != EMPTY)
    return Hits(
        hits=hits,
        again=hits & again[places],
        spend=np.where(hits, asked.spend[places], 0.0),
        targets=asked.lengths[customers],
        again_targets=np.bincount(asked.customers, again, minlength=len(asked.lengths))[
            customers
        ].astype(np.int64),
        priced=bool((asked.spend > 0).any()),
    )


def hit_metrics(found: Hits, k: int, *, repeats: bool) -> dict[str, Floats]:
    """Every metric of the first k places that counts hits.

    Args:
        found: Hits.
        k: Places looked at.
        repeats: Whether the block shows again what was bought before; then the two kinds of
            targets are told apart too.

    Returns:
        Full name → one value a customer, (customers,). Those of one kind of targets are NaN for
        customers without such; revenue is there only where events bear money.
    """
    metrics = rank_metrics(found.hits, found.targets, k)
    if found.priced:
        metrics[name_at(REVENUE, k)] = found.spend[:, :k].sum(axis=1)
    if repeats:
        new = found.targets - found.again_targets
        metrics |= _of_some(AGAIN, found.again, found.again_targets, k)
        metrics |= _of_some(NEW, found.hits & ~found.again, new, k)
    return metrics


def _of_some(
    names: tuple[str, str], hits: NDArray[np.bool_], targets: NDArray[np.int64], k: int
) -> dict[str, Floats]:
    """Recall and NDCG under other names, NaN for customers without a target."""
    counted = rank_metrics(hits, np.maximum(targets, 1), k)
    return {
        name_at(name, k): np.where(targets > 0, counted[name_at(metric, k)], np.nan)
        for name, metric in zip(names, (RECALL, NDCG), strict=True)
    }
